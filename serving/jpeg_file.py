"""What of a JPEG file its decoder gets: the pixels and what says which colors they are.

Metadata are left out, so that none that is broken keeps a photo from being decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from serving.file_parts import MAX_PIECES, TooManyPieces, read_parts
from serving.orientation import read_orientation

MAX_SCANS = 100
"""Of a progressive JPEG: cameras and editors write about ten. Each costs time for all pixels."""
_MAX_EXIF_PARTS = 16
"""Of 64 kB each; cameras write one. Programs copy what they have of them for each that follows."""

_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""A marker that is neither part of the scan nor a restart within it, without what fills up to
it: the search is fast since it looks for one certain byte, and never goes back."""
_FILL_BYTES = re.compile(rb"\xff+")
_SIGNATURE = b"\xff\xd8"
END = b"\xff\xd9"
_STUFFED, SCAN, _END, _RESTART_INTERVAL = 0x00, 0xDA, 0xD9, 0xDD
_WITHOUT_LENGTH = (_STUFFED, 0x01, *range(0xD0, 0xD9))
_JFIF, _EXIF_OR_XMP, PROFILE, _ADOBE = 0xE0, 0xE1, 0xE2, 0xEE
_METADATA = (*range(0xE0, 0xF0), 0xFE)
_NEEDED = {_JFIF: (b"JFIF\0", 14), PROFILE: (b"ICC_PROFILE\0", 14), _ADOBE: (b"Adobe", 12)}
"""How metadata begin that say which colors the pixels are, and how long they are at least."""
PROFILE_HEAD_BYTES = 18
"""Marker, length and name of a piece of a profile, its number, and how many there are."""
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_HEAD_BYTES = 4
"""Of a marker and its length."""
BASELINE = 0xC0
FRAMES = (BASELINE, 0xC1, 0xC2)
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)
"""Lossless and hierarchical."""
_COEFFICIENTS = (1 << 64) - 1
"""All 64 of a block, each a bit."""
_BLOCK_BYTES = 1 << 16
_ADDED = b"\xff\0"
"""One byte of a scan, all ones: no code of JPEG has as many, so that little is made of them."""
_AHEAD, _SKIPPED = 8, 3
"""So many bytes the decoder looks ahead at most. What follows a whole scan it skips at once."""


@dataclass(frozen=True)
class JpegFile:
    """A JPEG file, as far as it can be told without decoding it."""

    parts: tuple[memoryview, ...]
    """What its decoder needs of it, one after the other."""
    orientation: int | None
    has_end: bool
    has_all_scans: bool
    """The scans that it has are enough for whole pixels, if the last one is whole."""
    has_restarts: bool
    """Within a scan there may be markers after which nothing of what came before counts."""
    is_plain: bool
    """It is one that all decoders read: no lossless JPEG, nothing cut off in its header, and
    with the end marker after the scans, without which Pillow does once it has all pixels."""


def is_jpeg(data: bytes) -> bool:
    return data.startswith(_SIGNATURE)


def read_jpeg(data: bytes) -> JpegFile:
    """Look at the markers of a JPEG file; raises TooManyPieces, or EOFError before its pixels."""
    content = memoryview(data)
    parts, pixels = [content[: len(_SIGNATURE)]], len(data)
    exif = xmp = None
    scans = exif_parts = 0
    missing: dict[int, int] = {}
    has_end, has_restarts, is_plain = False, False, True
    for pieces, (marker, begin, end) in enumerate(segments(data)):
        body = data[begin + _HEAD_BYTES : end]
        if marker == _EXIF_OR_XMP and body.startswith(_EXIF):
            exif = exif or body
            exif_parts += 1
        elif marker == _EXIF_OR_XMP and body.startswith(_XMP):
            xmp = xmp or body
        elif marker in FRAMES:
            missing = dict.fromkeys(body[6::3], _COEFFICIENTS)
        elif marker == SCAN:
            scans += 1
            _subtract_scan(missing, body)
        if not scans and end > len(data):
            raise EOFError
        if scans > MAX_SCANS or exif_parts > _MAX_EXIF_PARTS or pieces > MAX_PIECES:
            raise TooManyPieces
        has_restarts |= marker == _RESTART_INTERVAL
        is_plain &= marker not in _OTHER_FRAMES and not _is_broken(marker, body)
        if marker == SCAN and scans == 1:
            pixels = begin
        elif scans == 0 and _is_needed(marker, body) and not _is_broken(marker, body):
            parts.append(content[begin:end])
        if marker == _END:
            has_end = True
            break
    parts.append(content[pixels : len(data) if has_end else _end_of_pixels(data)])
    return JpegFile(
        tuple(parts),
        read_orientation(exif, xmp),
        has_end,
        not any(missing.values()),
        has_restarts,
        has_end and is_plain,
    )


def has_all_pixels(jpeg: JpegFile, mode: str, size: tuple[int, int], args: Any) -> bool:
    """Say whether a JPEG file that lacks its end lacks no more than a few bytes before it.

    The rest is what Pillow tells of the file. It takes as long as decoding it: libjpeg makes
    up all pixels that are missing once it is told that the file has ended. So it is not told,
    but gets a few more bytes, as part of the last scan. It either says that it has all pixels,
    or, where it cannot know that this scan is the last, looks for a marker after it. With
    restarts, it may look for one of those.
    """
    if not jpeg.has_all_scans:
        return False
    small = (-(-size[0] // 8), -(-size[1] // 8))
    decoder = Image._getdecoder(mode, "jpeg", args, (8, 0))
    try:
        decoder.setimage(Image.new(mode, small).im, (0, 0, *small))
        file = read_parts(jpeg.parts)
        waiting, used = b"", 0
        blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
        added = [_ADDED] * (_AHEAD + _SKIPPED)
        skipped = 0
        for block in (*blocks, *added):
            waiting += block
            used, error = decoder.decode(waiting)
            if used < 0:
                return error == 0
            waiting = waiting[used:]
            skipped = skipped + 1 if used == len(_ADDED) and not waiting else 0
        return skipped >= _SKIPPED and not jpeg.has_restarts
    finally:
        decoder.cleanup()


def _subtract_scan(missing: dict[int, int], scan: bytes) -> None:
    """Take away which coefficients a scan makes whole, by component."""
    count = scan[0] if scan else 0
    components, spectrum = scan[1 : 1 + 2 * count : 2], scan[1 + 2 * count :]
    if len(spectrum) < 3 or spectrum[2] & 0x0F:  # less than all bits of them
        return
    whole = (1 << spectrum[1] + 1) - 1 & -1 << spectrum[0]
    for component in components:
        if component in missing:
            missing[component] &= ~whole


def _end_of_pixels(data: bytes) -> int:
    """Return where the pixels of a file without an end marker end."""
    end = len(data.rstrip(b"\0"))  # of a card or disk on which the rest was never written
    if end < len(data) and data.endswith(b"\xff", 0, end):
        return end + 1  # the two are one byte of the scan
    return end - data.endswith(b"\xff", 0, end)  # half of the end marker


def _is_needed(marker: int, body: bytes) -> bool:
    if marker in _METADATA:
        name, _ = _NEEDED.get(marker, (b"", 0))
        return bool(name) and body.startswith(name)
    return marker != _STUFFED


def _is_broken(marker: int, body: bytes) -> bool:
    name, length = _NEEDED.get(marker, (b"", 0))
    return len(body) < length and body.startswith(name)


def segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each marker, where it begins, and where its segment ends; of scans without pixels.

    What is between segments and belongs to none is passed over, as decoders do.
    """
    position = len(_SIGNATURE)
    while (position := jpeg.find(b"\xff", position)) >= 0 and position + 2 <= len(jpeg):
        marker = jpeg[position + 1]
        if marker == 0xFF:  # bytes that fill up to a marker, of which there may be millions
            filling = _FILL_BYTES.match(jpeg, position)
            assert filling is not None
            position = filling.end() - 1
            continue
        end = position + 2
        if marker not in _WITHOUT_LENGTH and marker != _END:
            end += int.from_bytes(jpeg[position + 2 : position + 4], "big")
        yield marker, position, end
        position = end
        if marker == SCAN:
            following = _END_OF_SCAN.search(jpeg, position)
            position = following.start() if following else len(jpeg)
