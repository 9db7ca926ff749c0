"""The one way from an image file of any kind to the JPEG that a model gets."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from serving.decoding_plan import DecodingPlan, plan_decoding
from serving.errors import ImageError, reading_error
from serving.image_file import (
    ImageFault,
    UnusableImage,
    open_image,
    takes_too_much_memory,
    turn_to_upright,
)
from serving.srgb import is_srgb, to_srgb

MAX_BYTES = 64 * 1024 * 1024
MAX_SIDE = 4096
"""A longer side than this is scaled down: no model here looks at more."""
JPEG_QUALITY = 92
MAX_OWN_FILE_BYTES = 1536 * 2**20
"""What decoding a file of the person's own may take: a WebP of 80 million pixels, a PNG of any
size that is read. The backend, where photos come from anywhere, sets a limit of its own."""
MAX_SCANS = 100
"""Of a progressive JPEG: cameras and editors write about ten. Each costs time for all pixels."""
_MAX_EXIF_PARTS = 16
"""Of 64 kB each; cameras write one. Pillow copies what it has of them for each that follows."""
_MAX_PIECES = 50_000
"""Markers of a JPEG file, chunks of a PNG."""

_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""A marker that is neither part of the scan nor a restart within it, without what fills up to
it: the search is fast since it looks for one certain byte, and never goes back."""
_FILL_BYTES = re.compile(rb"\xff+")
_JPEG_SIGNATURE, _PNG_SIGNATURE = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK_BYTES = 12
"""Of length, kind and checksum."""
_SCAN, _END, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, *range(0xD0, 0xD9))
_APP1, _HEAD_BYTES, _EXIF = 0xE1, 4, b"Exif\0\0"
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)
"""Lossless and hierarchical."""


def read_image(path: Path) -> bytes:
    """Return the bytes of a file, at most one more than MAX_BYTES; raises ImageError."""
    try:
        if not (path.is_file() or path.is_fifo()):  # a shell's `<(…)` is a pipe
            raise ImageError(
                "This is a folder." if path.is_dir() else "There is no file of this name.",
                "Check where the file is now, then try again from there.",
            )
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except PermissionError as error:
        raise ImageError(
            "You may not read this file.", "Give yourself permission to read it, then try again."
        ) from error
    except OSError as error:
        raise reading_error(
            error,
            "The file",
            "Check the disk or the connection it is on, then try again.",
            ImageError,
        ) from error


def read_normalized_image(path: Path) -> bytes:
    """Return the normalized JPEG of the image file at `path`; raises ImageError."""
    return normalize_image(read_image(path))


def _refuse_beyond_limit(cost: int) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if cost > min(MAX_OWN_FILE_BYTES, machine // 2):
        raise takes_too_much_memory()


def normalize_image(data: bytes, on_cost: Callable[[int], None] = _refuse_beyond_limit) -> bytes:
    """Return `data` as an upright sRGB JPEG, of RGB or grey, no longer than MAX_SIDE.

    A JPEG that is all this already passes through unchanged, byte for byte, so this may
    be done again wherever bytes come in. PNG, WebP, AVIF, GIF, BMP, TIFF, CMYK, rotated
    (EXIF) and oversized images and those with another color profile are converted.
    Raises UnusableImage for anything else. `on_cost` is called before the image is decoded
    with how many bytes of memory that takes at most, and may raise instead.
    """
    if len(data) > MAX_BYTES:
        raise too_many_bytes()
    markers = _checked_markers(data)
    with open_image(data) as image:
        plan = plan_decoding(image, len(data), MAX_SIDE)
        on_cost(plan.cost)
        if plan.scale > 1 and image.format in ("JPEG", "MPO"):
            image.draft(None, (image.width // plan.scale, image.height // plan.scale))
        image.load()  # only decoding it whole shows whether a file is damaged
        if plan.scale == 1 and _is_normalized(image, markers):
            return data
        # Decoders of WebP and AVIF keep 4 to 8 bytes of each pixel, for more frames.
        image._decoder = None  # type: ignore[attr-defined]
        return _converted(image, plan)


def _is_normalized(image: Image.Image, markers: Sequence[int]) -> bool:
    return (
        image.format in ("JPEG", "MPO")  # an MPO is a JPEG with more of them behind it
        and image.mode in ("RGB", "L")
        and turn_to_upright(image) is None
        and max(image.size) <= MAX_SIDE
        and is_srgb(image)
        and _is_plain(markers)
    )


def _is_plain(markers: Sequence[int]) -> bool:
    """Say whether a JPEG of these markers, which Pillow decodes, is one that models decode.

    They know no lossless JPEG, and insist on the end marker after the scans, without
    which Pillow does once it has all pixels.
    """
    return _END in markers and not any(marker in _OTHER_FRAMES for marker in markers)


def _checked_markers(data: bytes) -> Sequence[int]:
    """Return the markers of a JPEG file, nothing for others.

    Raises UnusableImage for a file in more pieces than can be read in a short time.
    """
    markers: list[int] = []
    if data.startswith(_JPEG_SIGNATURE):
        scans = exif_parts = 0
        for marker, position in _markers(data):
            markers.append(marker)
            scans += marker == _SCAN
            exif_parts += marker == _APP1 and data.startswith(_EXIF, position + _HEAD_BYTES)
            if scans > MAX_SCANS or exif_parts > _MAX_EXIF_PARTS or len(markers) > _MAX_PIECES:
                raise _too_many_pieces()
    elif data.startswith(_PNG_SIGNATURE):
        position = len(_PNG_SIGNATURE)
        for _ in range(_MAX_PIECES):
            if position + _PNG_CHUNK_BYTES > len(data):
                return markers
            length = int.from_bytes(data[position : position + 4], "big")
            position += length + _PNG_CHUNK_BYTES
        raise _too_many_pieces()
    return markers


def _too_many_pieces() -> UnusableImage:
    return UnusableImage(
        ImageFault.DAMAGED,
        "The image file is in too many pieces.",
        "Open it in a picture editor and save it again.",
    )


def _markers(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Yield the markers of a JPEG file, and where each begins.

    Up to its end marker, or until one is missing.
    """
    position = 2
    while position + 2 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker == 0xFF:  # bytes that fill up to a marker, of which there may be millions
            filling = _FILL_BYTES.match(jpeg, position)
            assert filling is not None
            position = filling.end() - 1
            continue
        yield marker, position
        if marker == _END:
            return
        if marker in _WITHOUT_LENGTH:
            position += 2
        else:
            position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if marker == _SCAN:
            end = _END_OF_SCAN.search(jpeg, position)
            position = end.start() if end else len(jpeg)


def _converted(image: Image.Image, plan: DecodingPlan) -> bytes:
    turn = turn_to_upright(image)
    smaller = image
    if plan.scale > 1 and image.format not in ("JPEG", "MPO"):
        smaller = image.reduce(plan.scale)
    if plan.scales_first:
        _scale_down(smaller, plan.gap)
    colored = to_srgb(smaller)
    _scale_down(colored, plan.gap)
    if colored.mode == "RGBA":
        # Without a background, what is transparent would come out in whatever color it hides.
        opaque = Image.new("RGB", colored.size, "white")
        opaque.paste(colored, mask=colored.getchannel("A"))
        colored = opaque
    out = io.BytesIO()
    (colored if turn is None else colored.transpose(turn)).save(
        out, "JPEG", quality=JPEG_QUALITY, comment=b""
    )
    return out.getvalue()


def _scale_down(image: Image.Image, gap: float) -> None:
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS, gap)


def too_many_bytes() -> UnusableImage:
    return UnusableImage(
        ImageFault.TOO_LARGE,
        f"The file is larger than {MAX_BYTES // 2**20} MB.",
        "Save the photo smaller and try again.",
    )
