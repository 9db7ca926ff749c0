import struct
from typing import Any

import pytest

from serving.errors import ModelError
from serving.predict import tensors
from serving.tf.messages import tensor_pb2, types_pb2


def tensor(dtype: int, *sizes: int, **fields: Any) -> Any:
    made = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in sizes:
        made.tensor_shape.dim.add().size = size
    return made


@pytest.mark.parametrize(
    ("dtype", "fields"),
    [
        (types_pb2.DT_FLOAT, {"float_val": [0.5, -2.0, -2.0]}),
        (types_pb2.DT_FLOAT, {"float_val": [0.5, -2.0]}),
        (types_pb2.DT_FLOAT, {"tensor_content": struct.pack("<3f", 0.5, -2, -2)}),
        (types_pb2.DT_DOUBLE, {"double_val": [0.5, -2.0, -2.0]}),
        (types_pb2.DT_DOUBLE, {"tensor_content": struct.pack("<3d", 0.5, -2, -2)}),
        (types_pb2.DT_HALF, {"half_val": [0x3800, 0xC000, 0xC000]}),
        (types_pb2.DT_HALF, {"tensor_content": struct.pack("<3e", 0.5, -2, -2)}),
    ],
)
def test_every_form_of_the_same_numbers_reads_the_same(dtype: int, fields: Any) -> None:
    assert tensors.floats(tensor(dtype, 1, 3, **fields)) == [0.5, -2.0, -2.0]


@pytest.mark.parametrize(
    "fields",
    [
        {"string_val": [b"cat", b"", b"panda" * 40]},
        {"tensor_content": b"\x03\x00\xc8\x01" + b"cat" + b"panda" * 40},
    ],
)
def test_both_forms_of_the_same_strings_read_the_same(fields: Any) -> None:
    read = tensors.strings(tensor(types_pb2.DT_STRING, 3, **fields))
    assert read == [b"cat", b"", b"panda" * 40]


def test_an_empty_tensor_has_no_values() -> None:
    assert tensors.floats(tensor(types_pb2.DT_FLOAT, 1, 0)) == []
    assert tensors.strings(tensor(types_pb2.DT_STRING, 0)) == []


@pytest.mark.parametrize(
    "content", [b"", b"\x03ca", b"\x03catx", b"\x80", b"\xff" * 11, b"\x7fcat"]
)
def test_packed_strings_that_do_not_fit_are_refused(content: bytes) -> None:
    broken = tensor(types_pb2.DT_STRING, 1, tensor_content=content or b"\x01")
    with pytest.raises(ModelError):
        tensors.strings(broken)


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="do not fit"):
        tensors.floats(tensor(types_pb2.DT_FLOAT, 2, tensor_content=b"\0" * 7))
    with pytest.raises(ModelError, match="more values"):
        tensors.floats(tensor(types_pb2.DT_FLOAT, 1, float_val=[1, 2]))


def test_another_type_is_named() -> None:
    with pytest.raises(ModelError, match="DT_INT64"):
        tensors.floats(tensor(types_pb2.DT_INT64, 1, int64_val=[1]))
    with pytest.raises(ModelError, match="DT_FLOAT"):
        tensors.strings(tensor(types_pb2.DT_FLOAT, 1, float_val=[1]))
