"""The one way from an image file of any kind to the JPEG that a model gets."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image

from serving.errors import ImageError
from serving.image_file import ImageFault, UnusableImage, open_image, turn_to_upright
from serving.srgb import is_srgb, to_srgb

MAX_BYTES = 64 * 1024 * 1024
MAX_SIDE = 4096
"""A longer side than this is scaled down: no model here looks at more."""
JPEG_QUALITY = 92

_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""A marker that is neither part of the scan nor a restart within it."""
_SCAN, _END, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, *range(0xD0, 0xD9))
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
        raise ImageError(
            f"The file cannot be read: {error.strerror or error}.",
            "Check the disk or the connection it is on, then try again.",
        ) from error


def read_normalized_image(path: Path) -> bytes:
    """Return the normalized JPEG of the image file at `path`; raises ImageError."""
    return normalize_image(read_image(path))


def normalize_image(data: bytes) -> bytes:
    """Return `data` as an upright sRGB JPEG, of RGB or grey, no longer than MAX_SIDE.

    A JPEG that is all this already passes through unchanged, byte for byte, so this may
    be done again wherever bytes come in. PNG, WebP, AVIF, GIF, BMP, TIFF, CMYK, rotated
    (EXIF) and oversized images and those with another color profile are converted.
    Raises UnusableImage for anything else.
    """
    if len(data) > MAX_BYTES:
        raise too_many_bytes()
    with open_image(data) as image:
        image.load()  # only decoding it whole shows whether a file is damaged
        return data if _is_normalized(image, data) else _converted(image)


def _is_normalized(image: Image.Image, data: bytes) -> bool:
    return (
        image.format in ("JPEG", "MPO")  # an MPO is a JPEG with more of them behind it
        and image.mode in ("RGB", "L")
        and turn_to_upright(image) is None
        and max(image.size) <= MAX_SIDE
        and is_srgb(image)
        and _is_plain(data)
    )


def _is_plain(jpeg: bytes) -> bool:
    """Say whether a JPEG that Pillow decodes is also one that models decode.

    They know no lossless JPEG, and insist on the end marker after the scans, without
    which Pillow does once it has all pixels.
    """
    position = 2
    while position + 4 <= len(jpeg):
        if jpeg[position] != 0xFF:
            return False
        marker = jpeg[position + 1]
        if marker == _END:
            return True
        if marker in _OTHER_FRAMES:
            return False
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if marker == _SCAN:
            end = _END_OF_SCAN.search(jpeg, position)
            position = end.start() if end else len(jpeg)
    return jpeg[position : position + 2] == bytes((0xFF, _END))


def _converted(image: Image.Image) -> bytes:
    colored = to_srgb(image)
    colored.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    if colored.mode == "RGBA":
        # Without a background, what is transparent would come out in whatever color it hides.
        opaque = Image.new("RGB", colored.size, "white")
        opaque.paste(colored, mask=colored.getchannel("A"))
        colored = opaque
    turn = turn_to_upright(image)
    out = io.BytesIO()
    (colored if turn is None else colored.transpose(turn)).save(
        out, "JPEG", quality=JPEG_QUALITY, comment=b""
    )
    return out.getvalue()


def too_many_bytes() -> UnusableImage:
    return UnusableImage(
        ImageFault.TOO_LARGE,
        f"The file is larger than {MAX_BYTES // 2**20} MB.",
        "Save the photo smaller and try again.",
    )
