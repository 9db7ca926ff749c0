"""Tensors as numpy arrays, and their way in and out of `TensorProto`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from serving.model_server.status import invalid
from serving.predict.messages import tensor_pb2, tensor_shape_pb2, types_pb2

Array = npt.NDArray[Any]

CARRIERS: dict[int, np.dtype[Any]] = {
    types_pb2.DT_FLOAT: np.dtype(np.float32),
    types_pb2.DT_DOUBLE: np.dtype(np.float64),
    types_pb2.DT_INT32: np.dtype(np.int32),
    types_pb2.DT_UINT8: np.dtype(np.uint8),
    types_pb2.DT_INT16: np.dtype(np.int16),
    types_pb2.DT_INT8: np.dtype(np.int8),
    types_pb2.DT_STRING: np.dtype(object),
    types_pb2.DT_COMPLEX64: np.dtype(np.complex64),
    types_pb2.DT_INT64: np.dtype(np.int64),
    types_pb2.DT_BOOL: np.dtype(np.bool_),
    types_pb2.DT_QINT8: np.dtype(np.int8),
    types_pb2.DT_QUINT8: np.dtype(np.uint8),
    types_pb2.DT_QINT32: np.dtype(np.int32),
    types_pb2.DT_BFLOAT16: np.dtype(np.uint16),
    types_pb2.DT_QINT16: np.dtype(np.int16),
    types_pb2.DT_QUINT16: np.dtype(np.uint16),
    types_pb2.DT_UINT16: np.dtype(np.uint16),
    types_pb2.DT_COMPLEX128: np.dtype(np.complex128),
    types_pb2.DT_HALF: np.dtype(np.float16),
    types_pb2.DT_UINT32: np.dtype(np.uint32),
    types_pb2.DT_UINT64: np.dtype(np.uint64),
}
"""How each data type lies in memory; bfloat16 and the quantised ones as integers."""

_FIELDS: dict[int, str] = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_COMPLEX64: "scomplex_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_QINT8: "int_val",
    types_pb2.DT_QUINT8: "int_val",
    types_pb2.DT_QINT32: "int_val",
    types_pb2.DT_BFLOAT16: "half_val",
    types_pb2.DT_QINT16: "int_val",
    types_pb2.DT_QUINT16: "int_val",
    types_pb2.DT_UINT16: "int_val",
    types_pb2.DT_COMPLEX128: "dcomplex_val",
    types_pb2.DT_HALF: "half_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
}
_LARGEST = 2**40
_FLOAT_FIELD_TAG = b"\x2a"
_DOUBLE_FIELD_TAG = b"\x32"


class Tensor(NamedTuple):
    """A data type (`DataType` number) and the values, carried as `CARRIERS` says.

    Strings are an object array of `bytes`.
    """

    dtype: int
    array: Array


def type_name(dtype: int) -> str:
    """Return TensorFlow's short name of a data type, such as `float` or `int64`."""
    names: dict[int, str] = {types_pb2.DT_HALF: "half"}
    if dtype in names:
        return names[dtype]
    return str(types_pb2.DataType.Name(dtype)).removeprefix("DT_").lower()


def from_proto(proto: Any) -> Tensor:
    """Return the tensor that a `TensorProto` describes.

    As TensorFlow reads it: `tensor_content` must hold exactly the shape's values;
    of the typed field, missing values repeat the last one (or are zero where there
    is none), and surplus ones are dropped. Raises ServingError (INVALID_ARGUMENT).
    """
    dtype = proto.dtype
    carrier = CARRIERS.get(dtype)
    if carrier is None or proto.tensor_shape.unknown_rank:
        raise _unparsable(proto)
    shape = tuple(dimension.size for dimension in proto.tensor_shape.dim)
    if any(size < 0 for size in shape):
        raise _unparsable(proto)
    count = math.prod(shape)
    if count > _LARGEST:
        raise _unparsable(proto)
    if proto.tensor_content:
        return Tensor(dtype, _from_content(proto, carrier, count).reshape(shape))
    values = getattr(proto, _FIELDS[dtype])
    if dtype == types_pb2.DT_STRING:
        return Tensor(dtype, _strings(values, count).reshape(shape))
    return Tensor(dtype, _filled(_from_field(dtype, values, carrier), count).reshape(shape))


def _unparsable(proto: Any) -> Exception:
    head = str(proto)[:200].replace("\n", " ").strip()
    return invalid(f"tensor parsing error: {head}")


def _from_content(proto: Any, carrier: np.dtype[Any], count: int) -> Array:
    content = proto.tensor_content
    if proto.dtype == types_pb2.DT_STRING:
        return _strings(_split_strings(proto, content, count), count)
    if len(content) != count * carrier.itemsize:
        raise _unparsable(proto)
    return np.frombuffer(content, carrier)


def _split_strings(proto: Any, content: bytes, count: int) -> list[bytes]:
    """Split `count` varint lengths followed by the strings' bytes."""
    lengths: list[int] = []
    at = 0
    for _ in range(min(count, len(content))):
        length = shift = 0
        while True:
            if at >= len(content) or shift > 63:
                raise _unparsable(proto)
            byte = content[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if len(lengths) != count or at + sum(lengths) != len(content):
        raise _unparsable(proto)
    strings = []
    for length in lengths:
        strings.append(content[at : at + length])
        at += length
    return strings


def _strings(values: Any, count: int) -> Array:
    array = np.empty(count, object)
    given = list(values[:count])
    array[: len(given)] = given
    array[len(given) :] = given[-1] if given else b""
    return array


def _from_field(dtype: int, values: Any, carrier: np.dtype[Any]) -> Array:
    if dtype in (types_pb2.DT_COMPLEX64, types_pb2.DT_COMPLEX128):
        part = np.dtype(np.float32 if dtype == types_pb2.DT_COMPLEX64 else np.float64)
        flat = np.fromiter(values, part, len(values))
        return flat[: len(flat) // 2 * 2].view(carrier)
    if dtype == types_pb2.DT_HALF:
        return _wrapped(values, np.dtype(np.uint16)).view(np.float16)
    if carrier.kind in "iu" and carrier.itemsize < 4:
        return _wrapped(values, carrier)
    return np.fromiter(values, carrier, len(values))


def _wrapped(values: Any, carrier: np.dtype[Any]) -> Array:
    return np.fromiter(values, np.int32, len(values)).astype(carrier)


def _filled(array: Array, count: int) -> Array:
    given = len(array)
    if given == count:
        return array
    if given > count:
        return array[:count]
    result = np.zeros(count, array.dtype)
    if given:
        result[:given] = array
        result[given:] = array[-1]
    return result


def to_proto(tensor: Tensor) -> Any:
    """Return a `TensorProto` with the typed field filled, as clients read it."""
    dtype, array = tensor
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in array.shape]
    )
    if dtype == types_pb2.DT_FLOAT:
        proto = _packed(_FLOAT_FIELD_TAG, array)
    elif dtype == types_pb2.DT_DOUBLE:
        proto = _packed(_DOUBLE_FIELD_TAG, array)
    else:
        proto = tensor_pb2.TensorProto()
        getattr(proto, _FIELDS[dtype]).extend(_field_values(dtype, array))
    proto.dtype = dtype
    proto.tensor_shape.CopyFrom(shape)
    return proto


def _packed(tag: bytes, array: Array) -> Any:
    """Parse a packed field out of the array's own bytes: no Python float is made."""
    data = np.ascontiguousarray(array).tobytes()
    if not data:
        return tensor_pb2.TensorProto()
    return tensor_pb2.TensorProto.FromString(tag + _varint(len(data)) + data)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _field_values(dtype: int, array: Array) -> list[Any]:
    flat = array.ravel()
    if dtype in (types_pb2.DT_COMPLEX64, types_pb2.DT_COMPLEX128):
        part = np.float32 if dtype == types_pb2.DT_COMPLEX64 else np.float64
        flat = np.ascontiguousarray(flat).view(part)
    elif dtype == types_pb2.DT_HALF:
        flat = np.ascontiguousarray(flat).view(np.uint16)
    values: list[Any] = flat.tolist()
    return values
