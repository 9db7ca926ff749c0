"""IPTC-IIM in the Photoshop segments of a JPEG file: its keywords (2:25).

Only what is there already is kept in step with XMP, as the Metadata Working Group asks for; new
metadata are XMP alone. Every other record and resource stays byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

SIGNATURE = b"Photoshop 3.0\0"
MAX_KEYWORD_BYTES = 64
"""What the standard allows."""
_RESOURCE = b"8BIM"
_IPTC, _DIGEST = 0x0404, 0x0425
_TAG = 0x1C
_KEYWORD = (2, 25)
_CHARSET = (1, 90)
_UTF8 = b"\x1b%G"
_EXTENDED = 0x8000


class MalformedIptc(Exception):
    """The resources or records are not as the standards say."""


@dataclass(frozen=True)
class _Part:
    """A resource or a record, and all its bytes."""

    number: int
    raw: bytes
    content: bytes


def keywords(resources: bytes) -> list[str]:
    """Return the keywords in the resources of Photoshop segments; raises MalformedIptc."""
    records = [
        record
        for part in _resources(resources)
        if part.number == _IPTC
        for record in _records(part.content)
    ]
    encoding = _encoding(records)
    return [
        record.content.decode(encoding, "replace").strip()
        for record in records
        if record.number == _number(*_KEYWORD)
    ]


def with_keywords(resources: bytes, remove: Iterable[str], add: Iterable[str]) -> bytes:
    """Return the resources with other keywords, if they have IPTC records; raises MalformedIptc.

    Keywords that are too long, or that the encoding of the records does not have, are left out.
    """
    parts = list(_resources(resources))
    number = next((n for n, part in enumerate(parts) if part.number == _IPTC), None)
    if number is None:
        return resources
    content = _changed(parts[number].content, set(remove), list(add))
    parts[number] = _resource(parts[number], content)
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return b"".join(
        (_resource(part, digest) if part.number == _DIGEST else part).raw for part in parts
    )


def _changed(content: bytes, remove: set[str], add: list[str]) -> bytes:
    records = list(_records(content))
    encoding = _encoding(records)
    kept = [
        record
        for record in records
        if record.number != _number(*_KEYWORD)
        or record.content.decode(encoding, "replace").strip() not in remove
    ]
    there = {
        record.content.decode(encoding, "replace").strip()
        for record in kept
        if record.number == _number(*_KEYWORD)
    }
    new = [_record(*_KEYWORD, data) for data in _encoded(add, there, encoding)]
    # Records are in the order of their numbers: after the last keyword, or what comes before it.
    at = max(
        (n + 1 for n, record in enumerate(kept) if record.number <= _number(*_KEYWORD)), default=0
    )
    return (
        b"".join(record.raw for record in kept[:at])
        + b"".join(new)
        + b"".join(record.raw for record in kept[at:])
    )


def _encoded(add: list[str], there: set[str], encoding: str) -> Iterable[bytes]:
    for keyword in add:
        try:
            data = keyword.encode(encoding)
        except UnicodeEncodeError:
            continue
        if keyword not in there and len(data) <= MAX_KEYWORD_BYTES:
            yield data


def _encoding(records: Iterable[_Part]) -> str:
    charset = next((r.content for r in records if r.number == _number(*_CHARSET)), b"")
    return "utf-8" if charset == _UTF8 else "latin-1"


def _resources(data: bytes) -> list[_Part]:
    """Return the resources, one after the other; what fills up the end belongs to the last."""
    parts = []
    at = 0
    while data[at : at + 4] == _RESOURCE:
        name = at + 6
        size_at = name + _even(1 + _byte(data, name))
        begin = size_at + 4
        size = int.from_bytes(data[size_at:begin], "big")
        end = begin + _even(size)
        if begin + size > len(data):
            raise MalformedIptc
        number = int.from_bytes(data[at + 4 : name], "big")
        parts.append(_Part(number, data[at:end], data[begin : begin + size]))
        at = end
    if data[at:].strip(b"\0"):
        raise MalformedIptc
    if parts and data[at:]:
        last = parts[-1]
        parts[-1] = _Part(last.number, last.raw + data[at:], last.content)
    return parts


def _resource(old: _Part, content: bytes) -> _Part:
    """Return a resource with other content, its name as it was."""
    head = old.raw[: 6 + _even(1 + old.raw[6])]
    raw = head + len(content).to_bytes(4, "big") + content + b"\0" * (len(content) % 2)
    return _Part(old.number, raw, content)


def _records(data: bytes) -> list[_Part]:
    parts = []
    at = 0
    while at + 5 <= len(data) and data[at] == _TAG:
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        begin = at + 5
        if size & _EXTENDED:
            length = size & ~_EXTENDED
            size = int.from_bytes(data[begin : begin + length], "big")
            begin += length
        end = begin + size
        if end > len(data):
            raise MalformedIptc
        number = _number(data[at + 1], data[at + 2])
        parts.append(_Part(number, data[at:end], data[begin:end]))
        at = end
    if data[at:].strip(b"\0"):
        raise MalformedIptc
    return parts


def _record(record: int, dataset: int, data: bytes) -> bytes:
    return bytes((_TAG, record, dataset)) + len(data).to_bytes(2, "big") + data


def _number(record: int, dataset: int) -> int:
    return record << 8 | dataset


def _even(size: int) -> int:
    return size + size % 2


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise MalformedIptc
    return data[at]
