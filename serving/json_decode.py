"""Decodes JSON objects as dataclasses, each field as the type that it is declared with."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


def decode(kind: type[T], raw: Any) -> T:
    """Return `raw` (parsed JSON) as `kind`: a dataclass, or a list of one.

    Unknown fields are ignored, so that what a newer Servery wrote can be read. Raises ValueError
    for anything that does not fit.
    """
    result: T = _decode(kind, raw)
    return result


def _decode(kind: Any, raw: Any) -> Any:
    if kind is Any:
        return raw
    origin = typing.get_origin(kind)
    if origin is dict:
        if not isinstance(raw, dict):
            raise ValueError(f"expected an object, not {raw!r}")
        _, item = typing.get_args(kind)
        return {name: _decode(item, value) for name, value in raw.items()}
    if origin in (list, tuple):
        if not isinstance(raw, list):
            raise ValueError(f"expected a list, not {raw!r}")
        item = typing.get_args(kind)[0]  # of a tuple of any length, as `tuple[str, ...]`
        if item is str and all(type(value) is str for value in raw):
            return origin(raw)  # a thousand classes at once
        return origin(_decode(item, value) for value in raw)
    if origin in (types.UnionType, typing.Union):
        options = typing.get_args(kind)
        if raw is None and types.NoneType in options:
            return None
        (option,) = (option for option in options if option is not types.NoneType)
        return _decode(option, raw)
    if dataclasses.is_dataclass(kind):
        return _decode_fields(kind, raw)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(raw)
    if kind is float and type(raw) is int:
        return _decode(float, float(raw))
    if kind is float and isinstance(raw, float) and not math.isfinite(raw):
        raise ValueError(f"expected a number, not {raw!r}")
    if type(raw) is not kind:  # not isinstance: to Python, True is an int
        raise ValueError(f"expected {kind.__name__}, not {raw!r}")
    return raw


def _decode_fields(kind: Any, raw: Any) -> Any:
    if not isinstance(raw, dict):
        raise ValueError(f"expected an object, not {raw!r}")
    hints = typing.get_type_hints(kind)
    values = {
        field.name: _decode(hints[field.name], raw[field.name])
        for field in dataclasses.fields(kind)
        if field.name in raw
    }
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(str(error)) from error
