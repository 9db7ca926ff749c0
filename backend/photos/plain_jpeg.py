"""Finds the JPEG files that cost so little that they need no process of their own."""

from __future__ import annotations

MAX_BYTES = 2 * 2**20
MAX_PIXELS = 4_000_000
_MAX_SEGMENTS = 32
_MAX_METADATA_BYTES = 64 * 2**10
_MAX_EXIF_BYTES = 8 * 2**10
"""Each of its entries, of 12 bytes, may refer to all of it: it can take their product."""
_MAX_PROFILE_BYTES = 4 * 2**10

_BASELINE, _SCAN, _EXIF_OR_XMP, _PROFILE = 0xC0, 0xDA, 0xE1, 0xE2
_TABLES = (0xC4, 0xDB, 0xDD)
_METADATA = (*range(0xE0, 0xF0), 0xFE)
_PIXEL_BYTES = 5
"""Of memory for each pixel, when nothing is converted: the image, and a copy of its lines."""
_FIXED_BYTES = 7 * 2**20


def plain_jpeg_cost(data: bytes) -> int | None:
    """Return how many bytes it takes at most to decode an ordinary small JPEG; None for others.

    Ordinary is a baseline JPEG of 8 bits, grey or of three colors, of at most MAX_BYTES and
    MAX_PIXELS, with little metadata: one whose time is in proportion to its pixels. Only what
    is before the first scan is looked at.
    """
    if len(data) > MAX_BYTES or not data.startswith(b"\xff\xd8"):
        return None
    position, metadata, pixels, components = 2, 0, 0, b""
    seen: set[int] = set()
    for _ in range(_MAX_SEGMENTS):
        head = data[position : position + 4]
        if len(head) < 4 or head[0] != 0xFF:
            return None
        marker, length = head[1], int.from_bytes(head[2:], "big")
        segment = data[position + 4 : position + 2 + length]
        if marker == _SCAN:
            if not pixels or segment[:1] != components:
                return None  # of several scans, the libraries keep all coefficients
            return len(data) + pixels * _PIXEL_BYTES + _FIXED_BYTES
        if marker == _BASELINE:
            height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
            components = segment[5:6]
            if pixels or segment[:1] != b"\x08" or components not in (b"\x01", b"\x03"):
                return None
            pixels = width * height
            if not 0 < pixels <= MAX_PIXELS:
                return None
        elif marker in _METADATA:
            metadata += length
            if metadata > _MAX_METADATA_BYTES or not _is_ordinary(marker, segment, seen):
                return None
        elif marker not in _TABLES:
            return None
        position += 2 + length
    return None


def _is_ordinary(marker: int, segment: bytes, seen: set[int]) -> bool:
    if marker == _EXIF_OR_XMP and segment.startswith(b"Exif"):
        is_small = len(segment) <= _MAX_EXIF_BYTES
    elif marker == _PROFILE:
        is_small = segment.startswith(b"ICC_PROFILE\0") and len(segment) <= _MAX_PROFILE_BYTES
    else:
        return True
    # Parts of one kind are joined.
    is_first = marker not in seen
    seen.add(marker)
    return is_small and is_first
