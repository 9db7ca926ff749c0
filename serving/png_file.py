"""What of a PNG file its decoder gets: the pixels and what says which colors they are.

Metadata are left out, so that none that is broken keeps a photo from being decoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from serving.file_parts import MAX_PIECES, TooManyPieces
from serving.orientation import read_orientation

MAX_PROFILE_BYTES = 4 * 2**20
"""Unpacked. Profiles of inks have half a megabyte."""
_MAX_TEXT_BYTES = 2**20
"""Unpacked, of a text that may tell the orientation."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK_BYTES = 12
"""Of length, kind and checksum."""
_PIXELS, _END = b"IDAT", b"IEND"
_GREY, _RGB, _PALETTE = 0, 2, 3
"""Color types, at this place of the file: the first chunk is always the same."""
_COLOR_TYPE = slice(25, 26)
_XMP_NAME, _EXIF_NAME = b"XML:com.adobe.xmp", b"Raw profile type exif"
"""Under which texts ImageMagick and others keep what has a chunk of its own."""
_EXIF_LINES = 3
"""What is before the digits: nothing, what it is, and how long."""


@dataclass(frozen=True)
class PngFile:
    """A PNG file, as far as it can be told without decoding it."""

    parts: tuple[memoryview, ...]
    """What its decoder needs of it, one after the other."""
    orientation: int | None


def is_png(data: bytes) -> bool:
    return data.startswith(_SIGNATURE)


def read_png(data: bytes) -> PngFile:
    """Look at the chunks of a PNG file; raises TooManyPieces, or EOFError before its pixels."""
    content = memoryview(data)
    before, pixels = [content[: len(_SIGNATURE)]], list[memoryview]()
    found: dict[bytes, memoryview] = {}
    exif = xmp = None
    for kind, begin, end in _chunks(data):
        chunk, body = content[begin:end], content[begin + 8 : end - 4]
        if kind[:1].isupper():  # nothing can be made of the pixels without it
            (pixels if kind == _PIXELS or pixels else before).append(chunk)
        elif kind in found or not _is_whole(chunk):
            continue
        elif kind in (b"tRNS", b"iCCP"):
            if not pixels and _is_usable(kind, body, data[_COLOR_TYPE]):
                found[kind] = chunk
        elif kind == b"eXIf":
            exif = exif or bytes(body)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            exif = exif or _exif_in_text(kind, body)
            xmp = xmp or _text(kind, body, _XMP_NAME)
    if not pixels:
        raise EOFError
    orientation = read_orientation(exif, xmp)
    return PngFile((*before, *found.values(), *pixels), orientation)


def _chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk, where it begins and where it ends, up to the last."""
    position = len(_SIGNATURE)
    for _ in range(MAX_PIECES):
        if position + 8 > len(png):
            return
        kind = png[position + 4 : position + 8]
        end = position + int.from_bytes(png[position : position + 4], "big") + _CHUNK_BYTES
        yield kind, position, end
        if kind == _END:
            return
        position = end
    raise TooManyPieces


def _is_whole(chunk: memoryview) -> bool:
    return len(chunk) >= _CHUNK_BYTES and zlib.crc32(chunk[4:-4]) == int.from_bytes(
        chunk[-4:], "big"
    )


def _is_usable(kind: bytes, body: memoryview, color_type: bytes) -> bool:
    if kind == b"tRNS":
        lengths = {_GREY: range(2, 3), _RGB: range(6, 7), _PALETTE: range(1, 257)}
        return len(body) in lengths.get(int.from_bytes(color_type, "big"), ())
    _, _, packed = bytes(body).partition(b"\0")
    return packed[:1] == b"\0" and _unpacked(packed[1:], MAX_PROFILE_BYTES) is not None


def _exif_in_text(kind: bytes, body: memoryview) -> bytes | None:
    text = _text(kind, body, _EXIF_NAME)
    if text is None:
        return None
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[_EXIF_LINES:]).decode("ascii"))
    except ValueError:
        return None


def _text(kind: bytes, body: memoryview, name: bytes) -> bytes | None:
    """Return the text of a chunk if it has this name."""
    if body[: len(name) + 1] != name + b"\0" or len(body) > _MAX_TEXT_BYTES:
        return None
    content = bytes(body[len(name) + 1 :])
    if kind == b"tEXt":
        return content
    if kind == b"zTXt":
        return _unpacked(content[1:], _MAX_TEXT_BYTES)
    is_packed, content = content[:1] == b"\1", content[2:]
    _, _, content = content.partition(b"\0")  # its language
    _, _, content = content.partition(b"\0")  # its name in that language
    return _unpacked(content, _MAX_TEXT_BYTES) if is_packed else content


def _unpacked(packed: bytes, limit: int) -> bytes | None:
    """Return what was packed; None if it is damaged or larger than `limit` bytes."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, limit)
    except zlib.error:
        return None
    return content if unpacking.eof else None
