"""Image files: which are read, and how they are opened; the one place that does either."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from serving.errors import ImageError

MAX_PIXELS = 200_000_000
HEAD_BYTES = 32
"""As many bytes of a file say which format it has."""

_READ = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".avif",
)
_NOT_READ = (".heic", ".heif")
"""Named like photos all the same: a person learns that they are not read."""
IMAGE_SUFFIXES = frozenset((*_READ, *_NOT_READ))
"""Ends of names, in lower case, that promise a photo."""

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What is decoded, in Pillow's names: it knows forty more, written for no attacker."""
_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation; 1 is upright, and other numbers mean nothing."""

# Beyond this, Pillow refuses before its decoder for WebP takes memory for the whole canvas.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2

# Of what it repairs, such as EXIF that is cut off. Not with `catch_warnings`: threads share it.
warnings.filterwarnings("ignore", module=r"PIL\.")


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


def has_image_signature(head: bytes) -> bool:
    """Say whether a file that begins with these HEAD_BYTES bytes has one of the formats."""
    if head.startswith(_SIGNATURES):
        return True
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    return head[4:8] == b"ftyp" and any(brand in head[8:] for brand in (b"avif", b"avis"))


def is_image_file(path: Path) -> bool:
    """Say by its first bytes whether a file is an image; one that cannot be read is not."""
    try:
        if not path.is_file():  # opening a pipe would wait for its other end
            return False
        with path.open("rb") as file:
            return has_image_signature(file.read(HEAD_BYTES))
    except OSError:
        return False


@contextmanager
def open_image(source: Path | bytes) -> Iterator[Image.Image]:
    """Open an image file, not yet decoded, of at most MAX_PIXELS.

    Raises UnusableImage, also for what turns out in the block when it is decoded, or
    OSError if there is no such file.
    """
    try:
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
            head = file.read(HEAD_BYTES)
            if not head:
                raise UnusableImage(
                    ImageFault.EMPTY, "The file is empty.", "Choose a file with a photo in it."
                )
            if not has_image_signature(head):
                raise _no_image()
            file.seek(0)
            with Image.open(file, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _too_many_pixels()
                yield image
    except (FileNotFoundError, PermissionError):
        raise
    except UnidentifiedImageError as error:
        raise _no_image() from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except MemoryError as error:
        raise takes_too_much_memory() from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnusableImage(
            ImageFault.DAMAGED,
            "The image is damaged or cut off.",
            "Copy the file again from where it came from.",
        ) from error


def turn_to_upright(image: Image.Image) -> Image.Transpose | None:
    """Return the turn that its metadata ask for, or None if it is upright."""
    return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def _no_image() -> UnusableImage:
    return UnusableImage(
        ImageFault.NOT_AN_IMAGE,
        "The file is not an image that Servery can read.",
        "Choose a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file.",
    )


def _too_many_pixels() -> UnusableImage:
    return UnusableImage(
        ImageFault.TOO_LARGE,
        f"The image has more than {MAX_PIXELS // 1_000_000} million pixels.",
        "Save the photo smaller and try again.",
    )


def takes_too_much_memory() -> UnusableImage:
    return UnusableImage(
        ImageFault.TOO_LARGE,
        "The image takes too much memory to decode.",
        "Save the photo smaller, or as JPEG, and try again.",
    )
