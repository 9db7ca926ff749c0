"""JPEG files changed segment by segment into what Pillow does not write."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable

from PIL import Image

Segment = tuple[int, bytes]
"""The second byte of a marker, and the content of its segment without the length."""

_JFIF, _ADOBE, _TABLES, _SCAN = 0xE0, 0xEE, 0xDB, 0xDA


def segments(data: bytes) -> tuple[list[Segment], bytes]:
    """Return the segments up to the first scan, and everything from there on."""
    found = []
    position = 2
    while data[position + 1] != _SCAN:
        (length,) = struct.unpack_from(">H", data, position + 2)
        found.append((data[position + 1], data[position + 4 : position + 2 + length]))
        position += 2 + length
    return found, data[position:]


def joined(parts: Iterable[Segment], scans: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(map(_written, parts)) + scans


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """Put a segment first."""
    parts, scans = segments(data)
    return joined([(marker, content), *parts], scans)


def without_segment(data: bytes, marker: int) -> bytes:
    parts, scans = segments(data)
    return joined([part for part in parts if part[0] != marker], scans)


def with_reversed_segments(data: bytes, marker: int) -> bytes:
    """Turn round the order of the segments of one kind."""
    parts, scans = segments(data)
    of_kind = iter([part for part in reversed(parts) if part[0] == marker])
    return joined([next(of_kind) if part[0] == marker else part for part in parts], scans)


def with_fill_bytes(data: bytes) -> bytes:
    """Put 0xFF before each marker, as often as a writer may like."""
    parts, scans = segments(data)
    return b"\xff\xd8" + b"".join(b"\xff\xff\xff" + _written(part) for part in parts) + scans


def with_density(data: bytes, unit: int, x: int, y: int) -> bytes:
    parts, scans = segments(data)
    return joined(
        [
            (marker, body[:7] + struct.pack(">BHH", unit, x, y) + body[12:])
            if marker == _JFIF
            else (marker, body)
            for marker, body in parts
        ],
        scans,
    )


def with_transform(data: bytes, transform: int) -> bytes:
    """Say in Adobe's marker, which must be there, what the components are."""
    parts, scans = segments(data)
    assert any(marker == _ADOBE for marker, _ in parts)
    return joined(
        [
            (marker, body[:11] + bytes([transform])) if marker == _ADOBE else (marker, body)
            for marker, body in parts
        ],
        scans,
    )


def with_wide_tables(data: bytes) -> bytes:
    """Write the same quantization tables with 16 bits a value, which makes it extended JPEG."""
    parts, scans = segments(data)
    wide = []
    for marker, body in parts:
        if marker == _TABLES:
            tables = [body[start : start + 65] for start in range(0, len(body), 65)]
            content = b"".join(
                bytes([0x10 | table[0]]) + struct.pack(">64H", *table[1:]) for table in tables
            )
            wide.append((marker, content))
        else:
            wide.append((0xC1 if marker == 0xC0 else marker, body))
    return joined(wide, scans)


def with_frame(data: bytes, kind: int, bits: int) -> bytes:
    """Say that the image, which is baseline, is of another kind and has so many bits a sample."""
    parts, scans = segments(data)
    return joined(
        [
            (kind, bytes([bits]) + body[1:]) if marker == 0xC0 else (marker, body)
            for marker, body in parts
        ],
        scans,
    )


def adobe_marker(transform: int) -> bytes:
    return b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform)


def exif_with_thumbnail(orientation: int, thumbnail: bytes, thumbnail_orientation: int) -> bytes:
    """Return EXIF with a thumbnail, a JPEG file with an orientation of its own."""

    def directory(entries: list[tuple[int, int, int]], following: int) -> bytes:
        rows = (
            struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value)
            for tag, kind, value in entries
        )
        return struct.pack("<H", len(entries)) + b"".join(rows) + struct.pack("<I", following)

    short, long = 3, 4
    second = 8 + 2 + 12 + 4
    start = second + 2 + 4 * 12 + 4
    return (
        b"Exif\0\0II*\0\x08\0\0\0"
        + directory([(0x0112, short, orientation)], second)
        + directory(
            [
                (0x0103, short, 6),
                (0x0112, short, thumbnail_orientation),
                (0x0201, long, start),
                (0x0202, long, len(thumbnail)),
            ],
            0,
        )
        + thumbnail
    )


def _written(part: Segment) -> bytes:
    marker, body = part
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def declared_jpeg(width: int, height: int, progressive: bool = False, scans: int = 0) -> bytes:
    """Return a JPEG of a few hundred bytes whose header declares another size.

    `scans` is how often its first scan is repeated.
    """
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG", progressive=progressive)
    data = bytearray(out.getvalue())
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    data[at : at + 4] = height.to_bytes(2) + width.to_bytes(2)
    if scans:
        start = data.index(b"\xff\xda")
        end = data.index(b"\xff", start + 2)
        data[start:end] = data[start:end] * scans
    return bytes(data)
