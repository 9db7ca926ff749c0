"""What serialized messages hold, found out before they are parsed."""

from __future__ import annotations

import pytest

from serving.tf.messages import classification_pb2, predict_pb2, tensor_pb2, types_pb2
from serving.tf.wire import measure


def test_counts_fields_at_any_depth() -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    tensor = request.inputs["x"]
    tensor.dtype = types_pb2.DT_STRING
    tensor.tensor_shape.dim.add(size=2)
    tensor.string_val.extend([b"a", b"b"])
    # model_spec and its name; inputs with key and value; dtype, shape, dim, size, two strings.
    content = measure(request.SerializeToString(), predict_pb2.PredictRequest)
    assert content is not None
    assert content.parts == 11


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x42\0" * 5000, tensor_pb2.TensorProto),
        (b"\x12\0" * 5000, predict_pb2.PredictRequest),
        (b"\x12\x90\x4e\x0a\x8c\x4e" + b"\x0a\0" * 5000, classification_pb2.ClassificationRequest),
        (b"\x48\x01" * 5000, tensor_pb2.TensorProto),
    ],
    ids=["empty strings", "map entries", "examples", "numbers that are not packed"],
)
def test_stops_at_more_parts_than_allowed(data: bytes, message: object) -> None:
    assert measure(data, message, 4000) is None
    content = measure(data, message)
    assert content is not None
    assert content.parts >= 5000
    assert content.memory >= 5000 * 16


def test_packed_numbers_take_what_they_are_in_memory() -> None:
    eight = tensor_pb2.TensorProto(int64_val=[1] * 1000).SerializeToString()
    one = tensor_pb2.TensorProto(tensor_content=bytes(1000)).SerializeToString()
    counted = measure(eight, tensor_pb2.TensorProto)
    content = measure(one, tensor_pb2.TensorProto)
    assert counted is not None
    assert content is not None
    assert counted.parts == content.parts == 1
    assert counted.memory - content.memory == 7 * 1000


@pytest.mark.parametrize(
    "data",
    [
        b"\x42",
        b"\x42\xff",
        b"\x42\x7fshort",
        b"\xff" * 100_000,
        b"\x08" + b"\xff" * 100_000,
        b"\x0b\x0c",
        b"\x12\x7f\x12\x03abc",
    ],
)
def test_what_does_not_parse_is_measured_as_far_as_it_is_read(data: bytes) -> None:
    content = measure(data, tensor_pb2.TensorProto)
    assert content is not None
    assert content.parts <= 4


def test_messages_nested_without_end() -> None:
    data = b""
    for _ in range(500):
        data = b"\x1a" + _length(data) + data
        data = b"\x7a" + _length(data) + data
    content = measure(data, tensor_pb2.TensorProto)
    assert content is not None
    assert content.parts <= 101


def _length(data: bytes) -> bytes:
    parts, size = bytearray(), len(data)
    while size > 0x7F:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*parts, size])
