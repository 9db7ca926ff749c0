"""Tensors in and out of `TensorProto`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from serving.tf.messages import tensor_pb2, types_pb2
from serving.tf.status import ServingError
from serving.tf.tensors import (
    NUMPY_DTYPES,
    Tensor,
    from_proto,
    memory_of,
    string_tensor,
    to_proto,
    type_name,
)


def proto(dtype: int, shape: tuple[int, ...] = (), **fields: Any) -> Any:
    return tensor_pb2.TensorProto(
        dtype=dtype, tensor_shape={"dim": [{"size": size} for size in shape]}, **fields
    )


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3)])
def test_every_type_comes_back(dtype: int, shape: tuple[int, ...]) -> None:
    numbers = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    if dtype == types_pb2.DT_STRING:
        array = np.empty(shape, object)
        array[...] = np.char.mod("%d", numbers).astype(bytes).astype(object)
    else:
        array = numbers.astype(NUMPY_DTYPES[dtype])
    sent = to_proto(Tensor(dtype, array))
    assert sent.tensor_content == b""
    assert sent.HasField("tensor_shape")
    received = from_proto(sent, "x")
    assert received.dtype == dtype
    assert received.array.dtype == NUMPY_DTYPES[dtype]
    np.testing.assert_array_equal(received.array, array)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], [0, 0, 0]), ([7], [7, 7, 7]), ([1, 2], [1, 2, 2]), ([1, 2, 3, 4], [1, 2, 3])],
)
def test_a_field_of_another_length(values: list[int], expected: list[int]) -> None:
    sent = proto(types_pb2.DT_FLOAT, (3,), float_val=values)
    assert from_proto(sent, "x").array.tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], [b"", b""]), ([b"a\x00"], [b"a\x00"] * 2), ([b"a", b"b", b"c"], [b"a", b"b"])],
)
def test_a_field_of_strings_of_another_length(values: list[bytes], expected: list[bytes]) -> None:
    sent = proto(types_pb2.DT_STRING, (2,), string_val=values)
    assert from_proto(sent, "x").array.tolist() == expected


def test_content_is_taken_as_it_lies() -> None:
    content = np.array([[1, 2]], np.int16).tobytes()
    sent = proto(types_pb2.DT_INT16, (1, 2), tensor_content=content)
    assert from_proto(sent, "x").array.tolist() == [[1, 2]]


def test_content_of_strings() -> None:
    long = b"b" * 200
    sent = proto(types_pb2.DT_STRING, (3,), tensor_content=b"\x01\x00\xc8\x01" + b"a" + long)
    assert from_proto(sent, "x").array.tolist() == [b"a", b"", long]


@pytest.mark.parametrize(
    "sent",
    [
        proto(types_pb2.DT_FLOAT, (2,), tensor_content=b"abc"),
        proto(types_pb2.DT_FLOAT, (-1,), float_val=[1.0]),
        proto(types_pb2.DT_INVALID),
        proto(types_pb2.DT_RESOURCE),
        proto(types_pb2.DT_FLOAT, (2**40, 2**40), float_val=[1.0]),
        proto(types_pb2.DT_FLOAT, (2**33,)),
        proto(types_pb2.DT_STRING, (2,), tensor_content=b"\x05\x01ab"),
        proto(types_pb2.DT_STRING, (1,), tensor_content=b"\xff" * 12),
        tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape={"unknown_rank": True}),
        proto(9999),
        proto(types_pb2.DT_FLOAT, (1,) * 65, float_val=[1.0]),
    ],
)
def test_an_invalid_tensor_is_refused(sent: Any) -> None:
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        from_proto(sent, "x")


def test_type_names() -> None:
    names = [type_name(dtype) for dtype in (types_pb2.DT_FLOAT, types_pb2.DT_HALF)]
    assert names == ["float", "half"]


@pytest.mark.parametrize(
    "sent",
    [
        proto(types_pb2.DT_STRING, (2**28,), string_val=[b"x"]),
        proto(types_pb2.DT_STRING, (2**28,), string_val=[b"x"] * 7000),
        proto(types_pb2.DT_STRING, (2**21,), tensor_content=bytes(2**21)),
        proto(types_pb2.DT_FLOAT, (2**28,), float_val=[1]),
        proto(types_pb2.DT_INT64, (2**14, 2**14)),
        proto(types_pb2.DT_BOOL, (2**62,), bool_val=[True]),
        proto(types_pb2.DT_COMPLEX64, (2**21,), scomplex_val=[1, 1]),
        proto(types_pb2.DT_HALF, (2**40,), half_val=[1]),
        proto(types_pb2.DT_FLOAT, (0, 2**62, 2**62)),
        proto(types_pb2.DT_STRING, (0, 2**60)),
        proto(types_pb2.DT_FLOAT, (2**32, 2**32, 2**32), float_val=[1]),
        proto(types_pb2.DT_FLOAT, (-1, -(2**62)), float_val=[1]),
    ],
)
def test_declares_far_more_than_was_sent(sent: Any) -> None:
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        from_proto(sent, "x")


def test_limit_of_unsent_values() -> None:
    sent = proto(types_pb2.DT_FLOAT, (100,), float_val=[1, 2])
    assert from_proto(sent, "x", max_unsent=98).array.tolist() == [1, *[2] * 99]
    with pytest.raises(ServingError, match="declares 100 values, and 98 of them were not sent"):
        from_proto(sent, "x", max_unsent=97)
    assert len(from_proto(proto(types_pb2.DT_BOOL, (2**21,)), "x", max_unsent=None).array) == 2**21


def test_memory_of_strings() -> None:
    assert memory_of(string_tensor([b"ab", b"c"])) == 3 + 2 * 24
    assert memory_of(Tensor(types_pb2.DT_INT64, np.zeros(5, np.int64))) == 40
