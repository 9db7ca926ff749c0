"""TIFF files whose metadata are broken, as ones that can be decoded."""

from __future__ import annotations

_ORDERS = {b"II*\0": "little", b"MM\0*": "big"}
_ENTRY_BYTES, _VALUE_BYTES = 12, 4
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of one value, by type."""
_NO_TYPE = b"\xff\xff"
"""Decoders pass over what has a type that they do not know."""


def is_tiff(data: bytes) -> bool:
    """Say whether a file is a TIFF, other than one of more than 4 GB can be."""
    return data[:4] in _ORDERS


def without_broken_tags(data: bytes) -> bytes:
    """Return a TIFF file without the tags of its first image that refer beyond its end.

    Pillow would read no tag after one of these, whatever it says. If one says where the pixels
    are, they are missing as well.
    """
    big = _ORDERS[data[:4]] == "big"

    def number(position: int, width: int) -> int:
        return int.from_bytes(data[position : position + width], "big" if big else "little")

    directory = number(4, 4)
    first = directory + 2
    end = min(first + _ENTRY_BYTES * number(directory, 2), len(data) - _ENTRY_BYTES + 1)
    broken = []
    for entry in range(first, end, _ENTRY_BYTES):
        length = _SIZES.get(number(entry + 2, 2), 0) * number(entry + 4, 4)
        if length > _VALUE_BYTES and number(entry + 8, 4) + length > len(data):
            broken.append(entry + 2)
    if not broken:
        return data
    content = bytearray(data)
    for position in broken:
        content[position : position + len(_NO_TYPE)] = _NO_TYPE
    return bytes(content)
