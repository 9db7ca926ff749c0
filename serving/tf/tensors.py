"""Tensors as numpy arrays, read from and written to `TensorProto`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from serving.tf.messages import tensor_pb2, types_pb2
from serving.tf.status import ServingError, invalid

Array = npt.NDArray[Any]

_TYPES: dict[int, tuple[str, type[Any]]] = {
    types_pb2.DT_FLOAT: ("float_val", np.float32),
    types_pb2.DT_DOUBLE: ("double_val", np.float64),
    types_pb2.DT_INT32: ("int_val", np.int32),
    types_pb2.DT_UINT8: ("int_val", np.uint8),
    types_pb2.DT_INT16: ("int_val", np.int16),
    types_pb2.DT_INT8: ("int_val", np.int8),
    types_pb2.DT_STRING: ("string_val", object),
    types_pb2.DT_COMPLEX64: ("scomplex_val", np.complex64),
    types_pb2.DT_INT64: ("int64_val", np.int64),
    types_pb2.DT_BOOL: ("bool_val", np.bool_),
    types_pb2.DT_QINT8: ("int_val", np.int8),
    types_pb2.DT_QUINT8: ("int_val", np.uint8),
    types_pb2.DT_QINT32: ("int_val", np.int32),
    types_pb2.DT_BFLOAT16: ("half_val", np.uint16),
    types_pb2.DT_QINT16: ("int_val", np.int16),
    types_pb2.DT_QUINT16: ("int_val", np.uint16),
    types_pb2.DT_UINT16: ("int_val", np.uint16),
    types_pb2.DT_COMPLEX128: ("dcomplex_val", np.complex128),
    types_pb2.DT_HALF: ("half_val", np.float16),
    types_pb2.DT_UINT32: ("uint32_val", np.uint32),
    types_pb2.DT_UINT64: ("uint64_val", np.uint64),
}
"""The typed field of `TensorProto` for each data type, and the type of its numpy array."""

NUMPY_DTYPES = {dtype: np.dtype(scalar) for dtype, (_, scalar) in _TYPES.items()}
"""How each data type lies in memory; bfloat16 and the quantized ones as integers."""

_COMPLEX_PARTS: dict[int, type[np.floating[Any]]] = {
    types_pb2.DT_COMPLEX64: np.float32,
    types_pb2.DT_COMPLEX128: np.float64,
}
MAX_UNSENT_VALUES = 1 << 20
"""Values of a tensor that no bytes were sent for: they repeat the last one that was sent."""
_STRING_BYTES = 24
"""Of each string, besides its own bytes."""
_MAX_SIZE = (2**63 - 1) // _STRING_BYTES
"""Values of any tensor, those of 24 bytes included, that a 64-bit number of bytes can count."""
_VARINT_BITS = 63
MAX_RANK = 64
"""Dimensions that a numpy array can have; no model needs more."""
_PACKED_TAGS = {types_pb2.DT_FLOAT: b"\x2a", types_pb2.DT_DOUBLE: b"\x32"}
"""The first byte of the packed fields `float_val` and `double_val`."""


class Tensor(NamedTuple):
    """A data type (`DataType` number) and the values, in an array of `NUMPY_DTYPES`.

    Strings are an object array of `bytes`.
    """

    dtype: int
    array: Array


def type_name(dtype: int) -> str:
    """Return TensorFlow's short name of a data type, such as `float` or `int64`."""
    return str(types_pb2.DataType.Name(dtype)).removeprefix("DT_").lower()


def string_tensor(values: Sequence[bytes]) -> Tensor:
    """Return a DT_STRING tensor of shape `[len(values)]`."""
    array = np.empty(len(values), object)
    array[:] = values
    return Tensor(types_pb2.DT_STRING, array)


def memory_of(tensor: Tensor) -> int:
    """Return the bytes that the values take, those of strings included."""
    dtype, array = tensor
    if dtype != types_pb2.DT_STRING:
        return array.nbytes
    return array.size * _STRING_BYTES + sum(map(len, array.flat))


def from_proto(
    proto: Any,
    alias: str,
    *,
    allows_surplus: bool = True,
    max_unsent: int | None = MAX_UNSENT_VALUES,
) -> Tensor:
    """Return the tensor that a `TensorProto` describes.

    As TensorFlow reads it: `tensor_content` must hold exactly the shape's values;
    of the typed field, missing values repeat the last one (or are zero if there
    is none), and surplus ones are dropped, unless `allows_surplus` is false.
    Raises ServingError (INVALID_ARGUMENT) that names `alias`, also for more than
    `max_unsent` missing values, or as many strings in much fewer bytes than they take,
    before anything is made.
    """
    dtype = proto.dtype
    numpy_dtype = NUMPY_DTYPES.get(dtype)
    rank = len(proto.tensor_shape.dim)
    if numpy_dtype is None or proto.tensor_shape.unknown_rank or rank > MAX_RANK:
        raise _unparsable(alias)
    shape = tuple(dimension.size for dimension in proto.tensor_shape.dim)
    # With a size of 0 beside it, numpy and TensorFlow still multiply the others.
    if any(size < 0 for size in shape) or math.prod(filter(None, shape)) > _MAX_SIZE:
        raise _unparsable(alias)
    count = math.prod(shape)
    content = proto.tensor_content
    if content:
        if dtype == types_pb2.DT_STRING:
            _check_sent(count, len(content) // _STRING_BYTES, max_unsent, alias)
        return Tensor(dtype, _from_content(proto, numpy_dtype, count, alias).reshape(shape))
    field = getattr(proto, _TYPES[dtype][0])
    sent = len(field) // (2 if dtype in _COMPLEX_PARTS else 1)
    if sent > count and not allows_surplus:
        raise _unparsable(alias)
    _check_sent(count, sent, max_unsent, alias)
    if dtype == types_pb2.DT_STRING:
        values = string_tensor(field[:count]).array
    else:
        values = _from_field(dtype, field, numpy_dtype)
    return Tensor(dtype, _filled(values, count).reshape(shape))


def _check_sent(count: int, sent: int, max_unsent: int | None, alias: str) -> None:
    if max_unsent is not None and count - sent > max_unsent:
        raise invalid(
            f"tensor parsing error: {alias} declares {count} values, and {count - sent} of them "
            f"were not sent. At most {max_unsent} may be left out."
        )


def _unparsable(alias: str) -> ServingError:
    return invalid(f"tensor parsing error: {alias}")


def _from_content(proto: Any, numpy_dtype: np.dtype[Any], count: int, alias: str) -> Array:
    content = proto.tensor_content
    if proto.dtype == types_pb2.DT_STRING:
        strings = _split_strings(content, count)
        if strings is None:
            raise _unparsable(alias)
        return string_tensor(strings).array
    if len(content) != count * numpy_dtype.itemsize:
        raise _unparsable(alias)
    return np.frombuffer(content, numpy_dtype)


def _split_strings(content: bytes, count: int) -> list[bytes] | None:
    """Split `count` varint lengths followed by the strings' bytes; None if they do not fit."""
    if count > len(content):
        return None
    lengths: list[int] = []
    length = shift = at = 0
    while len(lengths) < count:
        if at >= len(content) or shift > _VARINT_BITS:
            return None
        byte = content[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            lengths.append(length)
            length = shift = 0
    if at + sum(lengths) != len(content):
        return None
    strings = []
    for length in lengths:
        strings.append(content[at : at + length])
        at += length
    return strings


def _from_field(dtype: int, values: Any, numpy_dtype: np.dtype[Any]) -> Array:
    if dtype in _COMPLEX_PARTS:
        parts = np.array(values, _COMPLEX_PARTS[dtype])
        return parts[: len(parts) // 2 * 2].view(numpy_dtype)
    if dtype == types_pb2.DT_HALF:
        return np.array(values, np.int32).astype(np.uint16).view(np.float16)
    if numpy_dtype.kind in "iu" and numpy_dtype.itemsize < np.dtype(np.int32).itemsize:
        return np.array(values, np.int32).astype(numpy_dtype)
    return np.array(values, numpy_dtype)


def _filled(array: Array, count: int) -> Array:
    """Cut or grow to `count` values; the last one is repeated."""
    if len(array) >= count:
        return array[:count]
    empty = b"" if array.dtype == object else 0
    result = np.empty(count, array.dtype)
    result[: len(array)] = array
    # Not by `np.full`, which strips the zeros at the end of bytes.
    result[len(array) :] = array[-1] if len(array) else empty
    return result


def to_proto(tensor: Tensor, as_content: bool = False) -> Any:
    """Return a `TensorProto` with the typed field filled, as clients read it.

    With `as_content`, the values are bytes in `tensor_content` (strings are not).
    """
    dtype, array = tensor
    if as_content and dtype != types_pb2.DT_STRING:
        proto = tensor_pb2.TensorProto(tensor_content=array.tobytes())
    elif dtype in _PACKED_TAGS:
        proto = _packed(_PACKED_TAGS[dtype], array)
    else:
        proto = tensor_pb2.TensorProto()
        getattr(proto, _TYPES[dtype][0]).extend(_field_values(dtype, array))
    proto.dtype = dtype
    # A scalar has a shape as well: the message is there, with no dimension in it.
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def _packed(tag: bytes, array: Array) -> Any:
    """Return a `TensorProto` with a packed field of the array's bytes.

    Extending the field instead would make a Python float of every value.
    """
    data = np.ascontiguousarray(array).tobytes()
    if not data:
        return tensor_pb2.TensorProto()
    return tensor_pb2.TensorProto.FromString(tag + varint(len(data)) + data)


def varint(value: int) -> bytes:
    """Return a number as it stands on the wire of protocol buffers."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _field_values(dtype: int, array: Array) -> list[Any]:
    flat = array.ravel()
    if dtype in _COMPLEX_PARTS:
        flat = np.ascontiguousarray(flat).view(_COMPLEX_PARTS[dtype])
    elif dtype == types_pb2.DT_HALF:
        flat = np.ascontiguousarray(flat).view(np.uint16)
    values: list[Any] = flat.tolist()
    return values
