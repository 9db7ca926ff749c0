"""When a photo was taken, by the EXIF of a JPEG or TIFF file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from serving.jpeg_file import SCAN, is_jpeg, segments
from serving.tiff_file import is_tiff

_HEAD_BYTES = 128 * 1024
"""EXIF comes first in a file, and one segment has at most half of that."""
_APP1 = 0xE1
_SIGNATURE = b"Exif\0\0"
_DATE_TIME, _EXIF_DIRECTORY, _DATE_TIME_ORIGINAL = 0x0132, 0x8769, 0x9003
_ORDERS = {b"II*\0": "little", b"MM\0*": "big"}
_ENTRY_BYTES = 12
_MAX_ENTRIES = 500
_DATE_BYTES = 19
_YEARS = range(1970, 2200)
"""Cameras whose clock was never set, and fields of zeros, tell nothing."""


def read_taken(path: Path) -> datetime | None:
    """Return when a photo was taken, as the clock of its camera had it, without a zone.

    None if the file does not say, is no JPEG or TIFF file, or cannot be read. Looks at the first
    128 kB.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    exif = _exif(head)
    return None if exif is None else _taken(exif)


def _exif(head: bytes) -> bytes | None:
    if is_tiff(head):
        return head
    if not is_jpeg(head):
        return None
    for marker, begin, end in segments(head):
        body = head[begin + 4 : end]
        if marker == _APP1 and body.startswith(_SIGNATURE):
            return body.removeprefix(_SIGNATURE)
        if marker == SCAN:
            break
    return None


def _taken(exif: bytes) -> datetime | None:
    # Not with Pillow, for the reasons in `serving.orientation`.
    order = _ORDERS.get(exif[:4])

    def number(position: int, width: int) -> int:
        content = exif[position : position + width]
        return int.from_bytes(content, "big" if order == "big" else "little")

    def values(directory: int) -> dict[int, int]:
        """Return the value or the place of each entry by its tag."""
        count = min(number(directory, 2), _MAX_ENTRIES)
        places = range(directory + 2, directory + 2 + _ENTRY_BYTES * count, _ENTRY_BYTES)
        return {number(place, 2): number(place + 8, 4) for place in places}

    if order is None:
        return None
    first = values(number(4, 4))
    nested = values(first[_EXIF_DIRECTORY]) if _EXIF_DIRECTORY in first else {}
    # When the picture was made goes before when the file was changed.
    for place in (nested.get(_DATE_TIME_ORIGINAL), first.get(_DATE_TIME)):
        if place is not None:
            moment = _moment(exif[place : place + _DATE_BYTES])
            if moment is not None:
                return moment
    return None


def _moment(text: bytes) -> datetime | None:
    if len(text) < _DATE_BYTES or text.endswith(b"\0"):  # cut off: its last number is a part
        return None
    try:
        moment = datetime.strptime(text.decode("ascii"), "%Y:%m:%d %H:%M:%S")
    except ValueError:  # also what is not ASCII
        return None
    return moment if moment.year in _YEARS else None
