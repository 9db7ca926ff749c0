"""The one way from an image file of any kind to the JPEG that a model gets."""

from __future__ import annotations

import io
import warnings
from enum import StrEnum
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from serving.errors import ImageError

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 200_000_000
MAX_SIDE = 4096
"""A longer side than this is scaled down: no model here looks at more."""
JPEG_QUALITY = 92

_ORIENTATION_TAG = 0x0112


class ImageFault(StrEnum):
    """Why bytes are not an image that can be classified."""

    EMPTY = "empty"
    TOO_LARGE = "too large"
    NOT_AN_IMAGE = "not an image"
    DAMAGED = "damaged"


class UnusableImage(ImageError):
    """An ImageError that says which fault it is."""

    def __init__(self, fault: ImageFault, what: str, advice: str) -> None:
        super().__init__(what, advice)
        self.fault = fault


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
    """Return `data` as an upright RGB (or grey) JPEG no longer than MAX_SIDE.

    A JPEG that is normalized already passes through unchanged, byte for byte, so this
    may be done again wherever bytes come in. PNG, WebP, GIF, BMP, TIFF, CMYK, rotated
    (EXIF) and oversized images are converted. Raises UnusableImage for anything else.
    """
    if not data:
        raise UnusableImage(
            ImageFault.EMPTY, "The file is empty.", "Choose a file with a photo in it."
        )
    if len(data) > MAX_BYTES:
        raise too_many_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return _normalized(image, data)
    except UnidentifiedImageError as error:
        raise UnusableImage(
            ImageFault.NOT_AN_IMAGE,
            "The file is not an image that Servery can read.",
            "Choose a JPEG, PNG, WebP, GIF, BMP or TIFF file.",
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnusableImage(
            ImageFault.DAMAGED,
            "The image is damaged or cut off.",
            "Copy the file again from where it came from.",
        ) from error


def _normalized(image: Image.Image, data: bytes) -> bytes:
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels()
    unchanged = (
        image.format == "JPEG"
        and image.mode in ("RGB", "L")
        and image.getexif().get(_ORIENTATION_TAG, 1) == 1
        and max(image.size) <= MAX_SIDE
    )
    image.load()  # only decoding it whole shows whether a file is damaged
    if unchanged:
        return data
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        # Without a background, what is transparent would come out in whatever colour it hides.
        layer = upright.convert("RGBA")
        upright = Image.new("RGB", layer.size, "white")
        upright.paste(layer, mask=layer.getchannel("A"))
    out = io.BytesIO()
    upright.convert("RGB").save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def too_many_bytes() -> UnusableImage:
    return UnusableImage(
        ImageFault.TOO_LARGE,
        f"The file is larger than {MAX_BYTES // 2**20} MB.",
        "Save the photo smaller and try again.",
    )


def _too_many_pixels() -> UnusableImage:
    return UnusableImage(
        ImageFault.TOO_LARGE,
        f"The image has more than {MAX_PIXELS // 1_000_000} million pixels.",
        "Save the photo smaller and try again.",
    )
