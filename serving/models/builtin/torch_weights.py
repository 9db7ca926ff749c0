"""Reads a file of PyTorch weights, without PyTorch and without running what the file says.

A pickle is a program, and a stranger's pickle can do whatever a stranger's program can.
This reader therefore never calls `pickle`: it interprets the few instructions that an
ordered dictionary of tensors consists of, calls nothing that the file names, and refuses
every other instruction or name.

The format is the one that PyTorch wrote before 1.6: five pickles (a magic number, the
format's number, facts about the machine, the dictionary, the keys of the storages), then
for each storage its number of values (int64) and the values, little-endian.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.errors import ModelError, reading_error

Array = npt.NDArray[Any]

MAGIC = 0x1950A86A20F9469CFC6C
FORMAT = 1001
MAX_BYTES = 1 << 30
MAX_INSTRUCTIONS = 1_000_000
"""Of one pickle; the largest network here takes 14,000."""

_DICTIONARY = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"
_STORAGES: Mapping[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch LongStorage": np.dtype("<i8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1")
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NEEDED = frozenset(
    [
        *_CONSTANTS,
        *_LITERALS,
        *_TUPLES,
        *("APPENDS", "BINGET", "BINPERSID", "BINPUT", "BUILD", "EMPTY_DICT", "EMPTY_LIST"),
        *("FRAME", "GLOBAL", "LONG_BINGET", "LONG_BINPUT", "MARK", "MEMOIZE", "PROTO", "REDUCE"),
        *("SETITEM", "SETITEMS", "STACK_GLOBAL", "STOP", "TUPLE"),
    ]
)
"""The instructions that `_execute` knows, and STOP."""
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_MARK = object()


class _Refused(Exception):
    """The file is not what it should be; the message says in which way."""


@dataclass(frozen=True)
class _Name:
    """Something that the file names, "module attribute"; never imported."""

    text: str


@dataclass(frozen=True)
class _Storage:
    """The values that tensors share: what a file calls it, its type and number of values."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    """Where a tensor's values lie in a storage; strides and offset count values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_weights(path: Path) -> dict[str, Array]:
    """Return the tensors of a file by name, float32 or int64, without copying them.

    Raises ModelError if the file cannot be read, is damaged, or holds anything else than
    an ordered dictionary of tensors.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _Refused("it is larger than any network that Servery reads")
        return _tensors(path.read_bytes())
    except OSError as error:
        raise reading_error(
            error,
            f"The weights in {path.name}",
            "Install Servery again to restore them.",
            ModelError,
        ) from error
    except _Refused as refusal:
        raise ModelError(
            f"The file {path.name} is not a file of weights, or is damaged: {refusal}.",
            "Install Servery again to restore it.",
        ) from refusal


def _tensors(data: bytes) -> dict[str, Array]:
    file = io.BytesIO(data)
    if _load(file) != MAGIC or _load(file) != FORMAT:
        raise _Refused("it does not begin as one")
    machine, weights, keys = (_load(file) for _ in range(3))
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise _Refused("it does not say that it is little-endian")
    if not isinstance(weights, dict):
        raise _Refused("it holds no dictionary")
    for name, value in weights.items():
        if not isinstance(value, _Tensor):
            raise _Refused(f"{name!r} is not a tensor")
    used = {tensor.storage.key: tensor.storage for tensor in weights.values()}
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(used):
        raise _Refused("its values do not belong to its tensors")
    values = _values(data, file.tell(), [used[str(key)] for key in keys])
    return {name: _view(tensor, values[tensor.storage.key]) for name, tensor in weights.items()}


def _values(data: bytes, at: int, storages: list[_Storage]) -> dict[str, Array]:
    """Return the values of each storage, which follow each other in `data` from `at` on."""
    values: dict[str, Array] = {}
    for storage in storages:
        start = at + 8
        stop = start + storage.count * storage.dtype.itemsize
        if stop > len(data):
            raise _Refused("its end is missing")
        if int.from_bytes(data[at:start], "little") != storage.count:
            raise _Refused("the number of its values differs from what it says")
        values[storage.key] = np.frombuffer(data, storage.dtype, storage.count, start)
        at = stop
    if at != len(data):
        raise _Refused("something follows its last value")
    return values


def _view(tensor: _Tensor, values: Array) -> Array:
    """Return the tensor's values in its shape; its bounds were checked when it was read."""
    return np.lib.stride_tricks.as_strided(
        values[tensor.offset :],
        tensor.shape,
        [stride * values.itemsize for stride in tensor.strides],
        writeable=False,
    )


def _load(file: io.BytesIO) -> Any:
    """Interpret one pickle and leave `file` behind it."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for _ in range(MAX_INSTRUCTIONS):
            opcode = _opcode(file.read(1))
            argument = _argument(opcode, file)
            if opcode.name == "STOP":
                (result,) = stack
                return result
            _execute(opcode.name, argument, stack, memo)
    # What damaged bytes lead to: missing values, values of another type, text that is none.
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise _Refused("it cannot be decoded") from error
    raise _Refused("it has too many instructions")


def _opcode(code: bytes) -> Any:
    opcode = _OPCODES.get(code)
    if opcode is None:
        raise _Refused("it cannot be decoded")
    if opcode.name not in _NEEDED:
        raise _Refused(f"it has the instruction {opcode.name}, which no weights need")
    return opcode


def _argument(opcode: Any, file: io.BytesIO) -> Any:
    if opcode.name == "GLOBAL":
        # Python's own reader would decode escape sequences.
        module, attribute = (file.readline().decode("ascii").removesuffix("\n") for _ in range(2))
        return f"{module} {attribute}"
    return opcode.arg.reader(file) if opcode.arg else None


def _execute(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """Carry out one instruction of a pickle."""
    match name:
        case "PROTO" | "FRAME":
            pass
        case "MARK":
            stack.append(_MARK)
        case "EMPTY_DICT":
            stack.append({})
        case "EMPTY_LIST":
            stack.append([])
        case "GLOBAL":
            stack.append(_named(argument))
        case "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_named(f"{module} {attribute}"))
        case "BINPUT" | "LONG_BINPUT":
            memo[argument] = stack[-1]
        case "MEMOIZE":
            memo[len(memo)] = stack[-1]
        case "BINGET" | "LONG_BINGET":
            stack.append(memo[argument])
        case "TUPLE":
            stack.append(tuple(_since_mark(stack)))
        case "SETITEM":
            value, key = stack.pop(), stack.pop()
            _set(stack[-1], [key, value])
        case "SETITEMS":
            items = _since_mark(stack)
            _set(stack[-1], items)
        case "APPENDS":
            items = _since_mark(stack)
            stack[-1] += items
        case "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_called(function, arguments))
        case "BINPERSID":
            stack.append(_storage(stack.pop()))
        case "BUILD":
            # An ordered dictionary may carry versions of the modules that it was saved from.
            if not isinstance(stack.pop(), dict) or not isinstance(stack[-1], dict):
                raise _Refused("it sets attributes")
        case _ if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        case _ if name in _LITERALS:
            stack.append(argument)
        case _ if name in _TUPLES:
            count = _TUPLES[name]
            if len(stack) < count:
                raise _Refused("it cannot be decoded")
            stack[-count:] = [tuple(stack[-count:])]


def _since_mark(stack: list[Any]) -> list[Any]:
    """Take everything since the last mark off the stack, and the mark too."""
    items: list[Any] = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def _set(target: Any, items: list[Any]) -> None:
    """Set keys and values, which alternate in `items`."""
    if not isinstance(target, dict):
        raise _Refused("it cannot be decoded")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str):
            raise _Refused("a key of its dictionary is not text")
        target[key] = value


def _named(name: str) -> _Name:
    if name not in (_DICTIONARY, _TENSOR, *_STORAGES):
        raise _Refused(f"it names {name.replace(' ', '.')}, which no weights need")
    return _Name(name)


def _called(function: Any, arguments: Any) -> Any:
    """Return what a call that the file asks for stands for."""
    if function == _Name(_DICTIONARY) and arguments == ():
        return {}
    if function != _Name(_TENSOR):
        raise _Refused("it calls something that is not a tensor")
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise _Refused("a tensor has no values")
    numbers = (offset, *shape, *strides)
    if not all(type(number) is int and number >= 0 for number in numbers) or len(shape) > 8:
        raise _Refused("a tensor has a shape that cannot be")
    count = math.prod(shape)
    steps = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    # A shape of more values than there are would repeat some, to no bound.
    if count > storage.count or (count and offset + steps >= storage.count):
        raise _Refused("a tensor reaches beyond its values")
    return _Tensor(storage, offset if count else 0, tuple(shape), tuple(strides))


def _storage(persistent: Any) -> _Storage:
    kind, name, key, _device, count, view = persistent
    if kind != "storage" or not isinstance(name, _Name) or name.text not in _STORAGES:
        raise _Refused("its values have a type that no weights need")
    if not isinstance(key, str) or type(count) is not int or count < 0 or view is not None:
        raise _Refused("its values are not described as they should be")
    return _Storage(key, _STORAGES[name.text], count)
