"""What a serialized message would take once it is parsed, found out without parsing it.

Two bytes of a message can be a field that takes hundreds once it is an object. This reads
the wire format alone, and stops as soon as there is more than is allowed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_SLOT_BYTES = 16
"""Of a field in a message, or of an element in a repeated field."""
_VARINT_TYPES = frozenset(
    (
        *(FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_SINT64),
        *(FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_SINT32),
        *(FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_BOOL),
    )
)
_PACKED_GROWTH = 8
"""What a packed number that can be a single byte counts as. Some take less memory, but all take
time, during which nothing else of the process goes on."""
_MAX_DEPTH = 100
"""Messages within messages; parsers refuse more."""


@dataclass(frozen=True)
class Content:
    """What a message holds."""

    parts: int
    """Fields, at any depth; each element of a repeated field is one, unless it is packed."""
    memory: int
    """Bytes, about, of the parsed message."""


@dataclass(eq=False)
class _Layout:
    """What is known of a type of messages; tags are as they stand on the wire."""

    size: int
    messages: dict[int, _Layout] = field(default_factory=dict)
    packed: set[int] = field(default_factory=set)
    """Of numbers that have as many bytes as they need."""


def measure(data: bytes, message_type: Any, max_parts: int | None = None) -> Content | None:
    """Return what `data`, a serialized message of this type, holds.

    None if it holds more than `max_parts`. Of what cannot be parsed, counts as much as would
    be parsed before that is noticed.
    """
    layout = _layout_of(message_type)
    at, end, parts, memory = 0, len(data), 0, layout.size
    outer: list[tuple[int, _Layout]] = []
    try:
        while True:
            while at >= end:
                if not outer:
                    return Content(parts, memory)
                end, layout = outer.pop()
            parts += 1
            if max_parts is not None and parts > max_parts:
                return None
            # Nearly all tags and sizes are one byte, which is read without a call.
            tag = data[at]
            at += 1
            if tag > 0x7F:
                tag, at = _varint(data, at - 1)
            kind = tag & 7
            memory += _SLOT_BYTES
            if kind == _DELIMITED:
                size = data[at]
                at += 1
                if size > 0x7F:
                    size, at = _varint(data, at - 1)
                inner = layout.messages.get(tag)
                if inner is None:
                    memory += size * _PACKED_GROWTH if tag in layout.packed else size
                    at += size
                elif len(outer) == _MAX_DEPTH:
                    return Content(parts, memory)
                else:
                    outer.append((end, layout))
                    memory += inner.size
                    # A size may say more than there is: the parser stops at the outer end.
                    end, layout = min(end, at + size), inner
            elif kind == _VARINT:
                at = _varint(data, at)[1] if data[at] > 0x7F else at + 1
            elif kind == _FIXED64:
                at += 8
            elif kind == _FIXED32:
                at += 4
            else:
                # A group, which no message here has, or nonsense.
                return Content(parts, memory)
    except IndexError:
        return Content(parts, memory)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    # No number is longer, so nothing after this one is parsed.
    raise IndexError


@functools.cache
def _layout_of(message_type: Any) -> _Layout:
    known: dict[str, _Layout] = {}

    def read(descriptor: Any) -> _Layout:
        layout = known.get(descriptor.full_name)
        if layout is None:
            # Known before its fields are read, since some types contain themselves:
            # `TensorProto`, by way of `VariantTensorDataProto`.
            fields = descriptor.fields
            layout = known[descriptor.full_name] = _Layout(_SLOT_BYTES * (2 + len(fields)))
            for item in fields:
                tag = item.number << 3 | _DELIMITED
                if item.message_type is not None:
                    layout.messages[tag] = read(item.message_type)
                elif item.type in _VARINT_TYPES:
                    layout.packed.add(tag)
        return layout

    return read(message_type.DESCRIPTOR)
