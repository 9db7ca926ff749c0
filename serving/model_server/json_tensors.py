"""Converts JSON values to tensors and tensors to JSON text, as the REST API defines them."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from serving.tf.messages import types_pb2
from serving.tf.status import Code, ServingError, invalid
from serving.tf.tensors import MAX_RANK, NUMPY_DTYPES, Array, Tensor, string_tensor, type_name

_BASE64_KEY = "b64"
_WHITE_SPACE = b" \t\n\v\f\r"
_BYTES_SUFFIX = "_bytes"
_TEXTS_AT_ONCE = 1 << 14
"""Values of a result whose texts are in memory at a time."""
_MAX_QUOTED = 200
"""Characters of a value that an error message quotes."""

_INT64 = range(-(2**63), 2**63)
_INTEGER_RANGES: dict[int, range] = {
    types_pb2.DT_INT32: range(-(2**31), 2**31),
    types_pb2.DT_INT16: range(-(2**31), 2**31),
    types_pb2.DT_INT8: range(-(2**31), 2**31),
    types_pb2.DT_UINT8: range(-(2**31), 2**31),
    types_pb2.DT_INT64: _INT64,
    types_pb2.DT_UINT16: range(2**32),
    types_pb2.DT_UINT32: range(2**32),
    types_pb2.DT_UINT64: range(2**64),
}
"""Allowed JSON numbers; narrower types wrap around, as in the original."""

_FLOATS: dict[int, tuple[str, int, float]] = {
    types_pb2.DT_FLOAT: ("float", 2**24 - 1, float(np.finfo(np.float32).max)),
    types_pb2.DT_DOUBLE: ("double", 2**53 - 1, math.inf),
    types_pb2.DT_HALF: ("half", 2**24 - 1, float(np.finfo(np.float32).max)),
    types_pb2.DT_BFLOAT16: ("bfloat16", 2**24 - 1, float(np.finfo(np.float32).max)),
}
"""Name, largest whole number and largest value that convert without loss."""


def to_tensor(value: Any, dtype: int) -> Tensor:
    """Return the tensor that a JSON value (number, string, lists of them) describes.

    Raises ServingError (INVALID_ARGUMENT) if types or shapes do not fit.
    """
    shape = _shape(value)
    leaves = _regular_leaves(value, shape)
    if leaves is None:
        leaves = []
        _collect(value, 0, shape, leaves)
    return Tensor(dtype, _array(leaves, dtype).reshape(shape))


def stack_rows(rows: Sequence[Any], dtype: int, describe: Callable[[int], str]) -> Tensor:
    """Return the tensor of the values in `rows`, which must be of equal shape.

    Raises ServingError (INVALID_ARGUMENT), whose message starts with `describe(row number)`.
    """
    shape = _shape(rows[0])
    leaves = _regular_leaves(rows, (len(rows), *shape))
    if leaves is not None:
        with suppress(ServingError):
            return Tensor(dtype, _array(leaves, dtype).reshape(len(rows), *shape))
    leaves = []
    for number, row in enumerate(rows):
        try:
            leaves.extend(_row_leaves(row, shape, dtype))
        except ServingError as error:
            reason = f"{error.code.name}: {error.message}"
            raise ServingError(error.code, f"{describe(number)} Error: {reason}") from None
    return Tensor(dtype, _array(leaves, dtype).reshape(len(rows), *shape))


def _row_leaves(row: Any, shape: tuple[int, ...], dtype: int) -> list[Any]:
    own_shape = _shape(row)
    leaves: list[Any] = []
    _collect(row, 0, own_shape, leaves)
    _array(leaves, dtype)
    if len(leaves) != math.prod(shape):
        raise invalid(f"Expecting tensor size: {math.prod(shape)} but got: {len(leaves)}")
    if own_shape != shape:
        raise invalid(f"Expecting shape {_listed(shape)} but got: {_listed(own_shape)}")
    return leaves


def _listed(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _shape(value: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    if len(shape) >= MAX_RANK:
        raise invalid(f"Lists are nested {len(shape)} deep; a tensor has fewer dimensions.")
    return tuple(shape)


def _regular_leaves(value: Any, shape: tuple[int, ...]) -> list[Any] | None:
    """Flatten lists of lists that all have the shape's sizes; None if they do not."""
    level = [value]
    for size in shape:
        if any(type(item) is not list for item in level) or set(map(len, level)) - {size}:
            return None
        level = list(itertools.chain.from_iterable(level))
    return None if list in set(map(type, level)) else level


def _collect(value: Any, level: int, shape: tuple[int, ...], leaves: list[Any]) -> None:
    """Flatten item by item: slower, with an error that names the item and its level."""
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid(
                f"JSON Value: {quoted(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {rank}"
            )
        leaves.append(value)
        return
    if level >= rank:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _collect(item, level + 1, shape, leaves)


def _array(leaves: list[Any], dtype: int) -> Array:
    kinds = set(map(type, leaves))
    if dtype == types_pb2.DT_STRING:
        return string_tensor([_bytes(leaf) for leaf in leaves]).array
    if dtype == types_pb2.DT_BOOL:
        _check_kinds(leaves, kinds, {bool}, dtype)
        return np.array(leaves, np.bool_)
    if dtype in _FLOATS:
        _check_kinds(leaves, kinds, {int, float}, dtype)
        return _floats(leaves, int in kinds, dtype)
    if dtype in _INTEGER_RANGES:
        _check_kinds(leaves, kinds, {int}, dtype)
        return _integers(leaves, dtype)
    raise ServingError(
        Code.UNIMPLEMENTED,
        f"Conversion of JSON Value: {quoted(leaves[0] if leaves else [])} "
        f"to type: {type_name(dtype)}",
    )


def _check_kinds(leaves: list[Any], kinds: set[type], allowed: set[type], dtype: int) -> None:
    if kinds <= allowed:
        return
    wrong = next(leaf for leaf in leaves if type(leaf) not in allowed)
    raise _type_error(wrong, dtype)


def _type_error(value: Any, dtype: int) -> ServingError:
    return invalid(
        f"JSON Value: {quoted(value)} Type: {json_type(value)} is not of expected type: "
        f"{type_name(dtype)}"
    )


def _floats(leaves: list[Any], has_whole: bool, dtype: int) -> Array:
    name, largest_whole, largest = _FLOATS[dtype]
    for leaf in leaves if has_whole else ():
        if type(leaf) is int and abs(leaf) > largest_whole and leaf in range(-(2**63), 2**64):
            raise _lossy(leaf, name)
    try:
        doubles = np.array(leaves, np.float64)
    except OverflowError:
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None
    beyond = np.isfinite(doubles) & (np.abs(doubles) > largest)
    if beyond.any():
        raise _lossy(leaves[int(np.argmax(beyond))], name)
    if dtype == types_pb2.DT_BFLOAT16:
        return _to_bfloat16(doubles.astype(np.float32))
    with np.errstate(over="ignore"):
        return doubles.astype(NUMPY_DTYPES[dtype])


def _lossy(value: Any, name: str) -> ServingError:
    return invalid(
        f"Cannot convert JSON value: {quoted(value)} to {name} without loss of precision."
    )


def _to_bfloat16(array: Array) -> Array:
    bits = array.view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return np.where(np.isnan(array), 0x7FC0, rounded >> 16).astype(np.uint16)


def _integers(leaves: list[Any], dtype: int) -> Array:
    allowed = _INTEGER_RANGES[dtype]
    if leaves and (min(leaves) not in allowed or max(leaves) not in allowed):
        raise _type_error(next(leaf for leaf in leaves if leaf not in allowed), dtype)
    wide = np.uint64 if dtype == types_pb2.DT_UINT64 else np.int64
    return np.array(leaves, wide).astype(NUMPY_DTYPES[dtype])


def _bytes(leaf: Any) -> bytes:
    if type(leaf) is str:
        return leaf.encode("utf-8", "surrogatepass")
    if type(leaf) is dict:
        return decode_base64(leaf)
    raise _type_error(leaf, types_pb2.DT_STRING)


def is_base64(value: Any) -> bool:
    """Say whether a value is an object with the one key `b64`."""
    return (
        isinstance(value, dict)
        and list(value) == [_BASE64_KEY]
        and isinstance(value[_BASE64_KEY], str)
    )


def decode_base64(value: Any) -> bytes:
    """Return the bytes of `{"b64": text}`; raises ServingError (INVALID_ARGUMENT).

    As `absl::Base64Unescape` does, it takes line breaks and other white space anywhere, and
    padding, by "=" or ".", that is whole or not there at all.
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {quoted(value)} not formatted correctly for base64 data")
    try:
        padded = value[_BASE64_KEY].encode("ascii").translate(None, _WHITE_SPACE)
        data = padded.rstrip(b"=.")
        padding = -len(data) % 4
        if len(padded) - len(data) not in (0, padding):
            raise binascii.Error
        return binascii.a2b_base64(data + b"=" * padding, strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise invalid("Unable to base64 decode") from None


def json_type(value: Any) -> str:
    """Return the name that messages give a value's JSON type."""
    names = {type(None): "Null", dict: "Object", list: "Array", str: "String"}
    if isinstance(value, bool):
        return "True" if value else "False"
    return names.get(type(value), "Number")


def quoted(value: Any) -> str:
    """Return a value as JSON, cut short, for a message; no more of it is written than that."""
    text = ""
    for piece in _json_pieces(value):
        text += piece
        if len(text) > _MAX_QUOTED:
            return f"{text[:_MAX_QUOTED]}..."
    return text


def _json_pieces(value: Any) -> Iterator[str]:
    """Yield what `json.dumps` returns, in pieces; of a long string only the beginning."""
    if isinstance(value, str):
        yield json.dumps(value[: _MAX_QUOTED + 1])
    elif isinstance(value, list):
        yield "["
        for number, item in enumerate(value):
            yield from (", ",) if number else ()
            yield from _json_pieces(item)
        yield "]"
    elif isinstance(value, dict):
        yield "{"
        for number, (key, item) in enumerate(value.items()):
            yield from (", ",) if number else ()
            yield f"{json.dumps(key[: _MAX_QUOTED + 1])}: "
            yield from _json_pieces(item)
        yield "}"
    else:
        yield json.dumps(value)


def row_text(outputs: Mapping[str, Tensor]) -> str:
    """Return the `predictions` list: a value, or an object of named ones, per row.

    Raises ServingError (INVALID_ARGUMENT) if the outputs differ in rows.
    """
    rows: int | None = None
    for name, tensor in outputs.items():
        if tensor.array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        count = tensor.array.shape[0]
        if rows is not None and count != rows:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {count} expecting: {rows}"
            )
        rows = count
    if len(outputs) == 1:
        name, tensor = next(iter(outputs.items()))
        return _nested(name, tensor)
    columns = {json.dumps(name): _row_texts(name, tensor) for name, tensor in outputs.items()}
    rows_text = (
        "{" + ", ".join(f"{name}: {text}" for name, text in zip(columns, texts, strict=True)) + "}"
        for texts in zip(*columns.values(), strict=True)
    )
    return f"[{', '.join(rows_text)}]"


def column_text(outputs: Mapping[str, Tensor]) -> str:
    """Return the `outputs` value: the one output's, or an object of named ones."""
    texts = {name: _nested(name, tensor) for name, tensor in outputs.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}"


def _row_texts(name: str, tensor: Tensor) -> Iterator[str]:
    """Yield the text of each row; of many small rows, some are written at once."""
    dtype, array = tensor
    rows = max(1, _TEXTS_AT_ONCE // max(1, math.prod(array.shape[1:])))
    for at in range(0, len(array), rows):
        part = array[at : at + rows]
        yield from _levels(_texts(name, Tensor(dtype, part)), part.shape, 1)


def _nested(name: str, tensor: Tensor) -> str:
    """Return a tensor as nested lists.

    A large one is written part by part: the texts of single numbers take ten times as much.
    """
    dtype, array = tensor
    if array.ndim == 0 or array.size <= _TEXTS_AT_ONCE:
        return _levels(_texts(name, tensor), array.shape, 0)[0]
    parts: Iterator[str]
    if array.ndim == 1:
        parts = (
            ", ".join(_texts(name, Tensor(dtype, array[at : at + _TEXTS_AT_ONCE])))
            for at in range(0, array.size, _TEXTS_AT_ONCE)
        )
    elif math.prod(array.shape[1:]) > _TEXTS_AT_ONCE:
        parts = (_nested(name, Tensor(dtype, part)) for part in array)
    else:
        parts = _row_texts(name, tensor)
    return f"[{', '.join(parts)}]"


def _levels(texts: list[str], shape: tuple[int, ...], outermost: int) -> list[str]:
    """Join texts to lists, from the innermost level to `outermost`."""
    for level in range(len(shape) - 1, outermost - 1, -1):
        size, count = shape[level], math.prod(shape[:level])
        texts = [f"[{', '.join(texts[row * size : (row + 1) * size])}]" for row in range(count)]
    return texts


def _texts(name: str, tensor: Tensor) -> list[str]:
    dtype, array = tensor
    flat = array.ravel()
    if dtype == types_pb2.DT_STRING:
        if name.endswith(_BYTES_SUFFIX):
            return [f'{{"{_BASE64_KEY}": "{base64.b64encode(value).decode()}"}}' for value in flat]
        return [string_text(value) for value in flat]
    if dtype == types_pb2.DT_BOOL:
        return ["true" if value else "false" for value in flat.tolist()]
    if dtype == types_pb2.DT_BFLOAT16:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    elif dtype == types_pb2.DT_HALF:
        flat = flat.astype(np.float32)
    if flat.dtype.kind == "f":
        return float_texts(flat)
    if flat.dtype.kind in "iu":
        return [str(value) for value in flat.tolist()]
    raise invalid(f"Failed to write JSON value for tensor type: {type_name(dtype)}")


_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def float_texts(values: Array) -> list[str]:
    """Return each float as the shortest text that reads back as the same value."""
    texts: list[str] = values.astype("U32").tolist()
    if np.isfinite(values).all():
        return texts
    return [_SPECIAL.get(text, text) for text in texts]


def string_text(value: bytes) -> str:
    """Return bytes as a JSON string; what is not UTF-8 passes through `surrogateescape`."""
    return json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
