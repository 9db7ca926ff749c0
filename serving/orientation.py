"""How a photo is to be turned, by its metadata: the one thing of them that is read."""

from __future__ import annotations

import re

_TAG = 0x0112
_WIDTHS = {1: 1, 3: 2, 4: 4, 8: 2, 9: 4}
"""Bytes of the whole numbers of EXIF, by type. Nothing else is an orientation."""
_ORDERS = {b"II": "little", b"MM": "big"}
_HEADER = b"Exif\0\0"
_ENTRY_BYTES = 12
_IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def read_orientation(exif: bytes | None, xmp: bytes | None) -> int | None:
    """Return the orientation, 1 to 8, that the metadata of a photo say; None if they do not.

    Metadata may be cut off or wrong in any other way: then they say nothing. EXIF comes first.
    """
    found = _in_exif(exif.removeprefix(_HEADER)) if exif else None
    if found is None and xmp:
        match = _IN_XMP.search(xmp)
        found = int(match[1]) if match else None
    return found if found in range(1, 9) else None


def _in_exif(exif: bytes) -> int | None:
    """Read one number out of the first directory.

    Not with Pillow, which reads all of them, fails where one is wrong, and takes as much
    memory as its entries say, each of which may refer to the whole.
    """
    order = _ORDERS.get(exif[:2])

    def number(position: int, width: int) -> int:
        content = exif[position : position + width]
        return int.from_bytes(content, "big" if order == "big" else "little")

    if order is None:
        return None
    directory = number(4, 4)
    first = directory + 2
    end = min(first + _ENTRY_BYTES * number(directory, 2), len(exif) - _ENTRY_BYTES + 1)
    for entry in range(first, end, _ENTRY_BYTES):
        if number(entry, 2) == _TAG:
            width = _WIDTHS.get(number(entry + 2, 2))
            return None if width is None else number(entry + 8, width)
    return None
