"""Tensors of TensorFlow Serving's messages as plain Python values, without numpy.

A tensor may hold its values in the typed field of its type (`float_val`,
`string_val`) or packed in `tensor_content`; servers of different makes choose
differently, so both are read. A typed field that is shorter than the shape says
repeats its last value, as TensorFlow does.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

from serving.errors import ModelError
from serving.tf.messages import tensor_pb2, types_pb2

_Value = TypeVar("_Value", float, bytes)

_PACKED_FLOATS = {
    types_pb2.DT_FLOAT: ("f", 4),
    types_pb2.DT_DOUBLE: ("d", 8),
    types_pb2.DT_HALF: ("e", 2),
}


def strings_tensor(values: Sequence[bytes]) -> Any:
    """Return a DT_STRING tensor of shape `[len(values)]`."""
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=values)
    tensor.tensor_shape.dim.add().size = len(values)
    return tensor


def shape_of(tensor: Any) -> tuple[int, ...]:
    """Return the tensor's dimensions; `()` for a scalar."""
    return tuple(int(dimension.size) for dimension in tensor.tensor_shape.dim)


def floats(tensor: Any) -> list[float]:
    """Return the values of a float, double or half tensor in row order.

    Raises ModelError for another type or a content that does not fit the shape.
    """
    if tensor.dtype not in _PACKED_FLOATS:
        raise _unreadable(f"numbers of type {types_pb2.DataType.Name(tensor.dtype)}")
    count = math.prod(shape_of(tensor))
    code, size = _PACKED_FLOATS[tensor.dtype]
    if tensor.tensor_content:
        if len(tensor.tensor_content) != count * size:
            raise _unreadable("numbers that do not fit their shape")
        return list(struct.unpack(f"<{count}{code}", tensor.tensor_content))
    if tensor.dtype == types_pb2.DT_HALF:
        packed = struct.pack(f"<{len(tensor.half_val)}H", *tensor.half_val)
        values = list(struct.unpack(f"<{len(tensor.half_val)}e", packed))
    elif tensor.dtype == types_pb2.DT_DOUBLE:
        values = list(tensor.double_val)
    else:
        values = list(tensor.float_val)
    return _filled(values, count, 0.0)


def strings(tensor: Any) -> list[bytes]:
    """Return the values of a string tensor in row order; raises ModelError otherwise."""
    if tensor.dtype != types_pb2.DT_STRING:
        raise _unreadable(f"names of type {types_pb2.DataType.Name(tensor.dtype)}")
    count = math.prod(shape_of(tensor))
    if tensor.tensor_content:
        return _packed_strings(tensor.tensor_content, count)
    return _filled(list(tensor.string_val), count, b"")


def _filled(values: list[_Value], count: int, default: _Value) -> list[_Value]:
    if len(values) > count:
        raise _unreadable("more values than their shape has room for")
    last = values[-1] if values else default
    return values + [last] * (count - len(values))


def _packed_strings(content: bytes, count: int) -> list[bytes]:
    """Read TensorFlow's packed strings: all lengths as varints, then all bytes."""
    lengths: list[int] = []
    position = 0
    while len(lengths) < count:
        length = shift = 0
        while True:
            if position >= len(content) or shift > 63:
                raise _unreadable("names that are cut off")
            byte = content[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise _unreadable("names that do not fit their shape")
    values: list[bytes] = []
    for length in lengths:
        values.append(content[position : position + length])
        position += length
    return values


def _unreadable(found: str) -> ModelError:
    return ModelError(
        f"The model answered with {found}, which Servery cannot read.",
        "Import the model again, so that Servery wraps it in a form that it can use.",
    )
