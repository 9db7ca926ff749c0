"""What an image file would take once it is decoded, by its header alone.

A file of a hundred bytes may declare billions of pixels, and a graph that decodes it cannot be
stopped.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from serving.model_server.limits import RequestLimits
from serving.tf.status import invalid
from serving.tf.tensors import Tensor

_JPEG, _PNG, _GIF, _RIFF, _BMP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"RIFF", b"BM"
_MAX_SEGMENTS = 10_000
"""Before the image data of a JPEG; real ones have a few dozen."""
_MAX_PASSES = 100
"""Progressive JPEGs have about ten."""
_MAX_SCAN_RATIO = 3
"""How many times the pixels of the largest image may be gone through for one image."""
_PIXELS_A_BYTE = 4
"""Pixels to go through that count as much as a byte of memory."""
_MAX_EMBEDDED = 16
"""Images of one format that are looked for in an example."""
_SCAN = b"\xff\xda"
_END_OF_IMAGE = 0xD9
_WITHOUT_LENGTH = frozenset((0x01, 0xD8, *range(0xD0, 0xD8)))
_NOT_FRAMES = frozenset((0xC4, 0xC8, 0xCC))
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_COEFFICIENT_BYTES = 2
_COLORS = 3
_REDUCED_FROM = ((8, 9600), (4, 4800), (2, 2400))
"""The scale at which our own graphs decode a photo, by the pixels of its shorter side."""


@dataclass(frozen=True)
class Decoding:
    """What decoding an image takes."""

    width: int
    height: int
    memory: int
    """Bytes, about."""
    passes: int = 1
    """How often each pixel is gone through: parts of a JPEG can add to the same ones again."""


def decoded_sizes(tensor: Tensor, limits: RequestLimits, reduces: bool) -> list[int]:
    """Return, for each string, the bytes that decoding it takes; 0 for one that is no image.

    An image that takes little memory, but long, counts as more.

    Raises ServingError (INVALID_ARGUMENT) if one declares more than is allowed.
    """
    return [_checked(read_header(data, reduces), limits) for data in tensor.array.flat]


def embedded_size(example: bytes, limits: RequestLimits) -> int:
    """Return the bytes that decoding the images inside a serialized `tf.Example` takes.

    Raises ServingError (INVALID_ARGUMENT) if one declares more than is allowed.
    """
    size = 0
    for start in _READERS:
        at = example.find(start) if len(start) > len(_BMP) else -1
        for _ in range(_MAX_EMBEDDED):
            if at < 0:
                break
            size += _checked(read_header(example[at:]), limits)
            at = example.find(start, at + 1)
    return size


def _checked(found: Decoding | None, limits: RequestLimits) -> int:
    if found is None:
        return 0
    pixels, limit = found.width * found.height, limits.max_image_pixels
    if limit is not None and (pixels * found.passes > _MAX_SCAN_RATIO * limit or pixels > limit):
        scans = f" in {found.passes} scans" if found.passes > 1 else ""
        raise invalid(
            f"An image declares {found.width} x {found.height} pixels{scans}; "
            f"it may have at most {limit} pixels, and {_MAX_SCAN_RATIO} times as many over "
            "all of its scans. Send it smaller, or not progressive."
        )
    if limits.max_image_bytes is not None and found.memory > limits.max_image_bytes:
        raise invalid(
            f"An image of {found.width} x {found.height} pixels would take {found.memory} bytes "
            f"to decode; it may take at most {limits.max_image_bytes}. Send it smaller, or not "
            "progressive."
        )
    if found.passes > _MAX_PASSES:
        raise invalid(f"An image has more than {_MAX_PASSES} scans. Save it again.")
    return max(found.memory, pixels * found.passes // _PIXELS_A_BYTE)


def read_header(data: bytes, reduces: bool = False) -> Decoding | None:
    """Return what decoding a JPEG, PNG, GIF, WebP or BMP file takes; None for other bytes.

    With `reduces`, the graph decodes large JPEGs at a reduced scale, as our own do. What a
    damaged file declares is believed.
    """
    for start, read in _READERS.items():
        if data.startswith(start):
            try:
                return read(data, reduces)
            except (struct.error, IndexError):
                return None
    return None


def _jpeg(data: bytes, reduces: bool) -> Decoding | None:
    at, frame, kind = 2, b"", 0
    for _ in range(_MAX_SEGMENTS):
        # As decoders do: skip whatever is there until the next marker.
        at = data.find(b"\xff", at)
        while at >= 0 and data[at : at + 1] == b"\xff":
            at += 1
        if at < 0 or at >= len(data):
            return None
        marker = data[at]
        at += 1
        if marker == 0 or marker in _WITHOUT_LENGTH:
            continue
        if marker == _END_OF_IMAGE:
            return None
        (length,) = struct.unpack_from(">H", data, at)
        if marker == _SCAN[1]:
            return _jpeg_decoding(data, frame, kind, data[at + 2], reduces) if frame else None
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES:
            frame, kind = data[at + 2 : at + length], marker
        at += length
    return Decoding(0, 0, 0, _MAX_SEGMENTS)


def _jpeg_decoding(
    data: bytes, frame: bytes, kind: int, colors_of_scan: int, reduces: bool
) -> Decoding:
    _, height, width, colors = struct.unpack_from(">BHHB", frame)
    sampling = [frame[6 + 3 * color + 1] for color in range(colors)]
    samples = [(each >> 4 or 1, each & 15 or 1) for each in sampling] or [(1, 1)]
    across, down = max(x for x, _ in samples), max(y for _, y in samples)
    ratio = 1
    if reduces:
        shorter = min(width, height)
        ratio = next((ratio for ratio, side in _REDUCED_FROM if shorter >= side), 1)
    memory = _COLORS * width * height // ratio**2
    passes = 1
    if kind in _PROGRESSIVE or colors_of_scan < colors:
        # Nothing can be put out before everything has been read, and is kept until then.
        share = sum(x * y for x, y in samples) / (across * down)
        memory += int(width * height * share * _COEFFICIENT_BYTES)
        passes = data.count(_SCAN)
    return Decoding(width, height, memory, passes)


def _png(data: bytes, _reduces: bool) -> Decoding:
    width, height, depth = struct.unpack_from(">IIB", data, 16)
    return Decoding(width, height, width * height * 4 * (2 if depth > 8 else 1))


def _gif(data: bytes, _reduces: bool) -> Decoding:
    width, height = struct.unpack_from("<HH", data, 6)
    # The end of a block and the beginning of an image; by chance also elsewhere, but rarely.
    images = 1 + data.count(b"\0,")
    return Decoding(width, height, width * height * _COLORS * images)


def _webp(data: bytes, _reduces: bool) -> Decoding | None:
    kind = data[8:16]
    if kind == b"WEBPVP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"WEBPVP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"WEBPVP8 ":
        width, height = (size & 0x3FFF for size in struct.unpack_from("<HH", data, 26))
    else:
        return None
    images = max(1, data.count(b"ANMF"))
    return Decoding(width, height, width * height * 4 * images)


def _bmp(data: bytes, _reduces: bool) -> Decoding:
    width, height = struct.unpack_from("<ii", data, 18)
    return Decoding(abs(width), abs(height), abs(width) * abs(height) * 4)


_READERS: dict[bytes, Callable[[bytes, bool], Decoding | None]] = {
    _JPEG: _jpeg,
    _PNG: _png,
    _GIF: _gif,
    _RIFF: _webp,
    _BMP: _bmp,
}
