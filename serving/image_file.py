"""Image files: which are read, and how they are opened; the one place that does either."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from serving.errors import ImageError
from serving.file_parts import TooManyPieces, read_parts
from serving.jpeg_file import END, JpegFile, has_all_pixels, is_jpeg, read_jpeg
from serving.orientation import read_orientation
from serving.png_file import MAX_PROFILE_BYTES, is_png, read_png
from serving.tiff_file import is_tiff, without_broken_tags

_log = logging.getLogger(__name__)

MAX_PIXELS = 200_000_000
HEAD_BYTES = 32
"""As many bytes of a file say which format it has."""

READ_SUFFIXES = (
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
"""Suffixes of photos that are not read, so that a person is told so."""
IMAGE_SUFFIXES = frozenset((*READ_SUFFIXES, *_NOT_READ))
"""Ends of names, in lower case, that promise a photo."""

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What is decoded, in Pillow's names: it knows forty more, written for no attacker."""
KINDS = "a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file"
"""The formats in words, for a sentence."""
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
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_OTHER_KINDS = {
    b"%PDF-": "a PDF document",
    b"%!PS": "a PostScript document",
    b"<svg": "an SVG drawing",
    b"8BPS": "a Photoshop document",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
}
"""What people take for photos that are read, by how the files begin."""
_EXIF_OF_AVIF = re.compile(rb"(infe.{8}|infe.{10})Exif", re.DOTALL)
"""In the list of what a file has in it."""
_BLOCK_BYTES = 64 * 2**20
_ORIENTATION, _LACKS_END = "servery orientation", "servery lacks end"
"""What is known of an opened image, in `info`, beside what Pillow tells."""
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

# So that the memory of a large image goes back to the system: glibc does not keep blocks of more
# than 32 MB, which by default no image has. Pillow declares none of the functions of its core.
Image.core.set_block_size(_BLOCK_BYTES)  # type: ignore[attr-defined]

# Of a chunk, with the profile as the only one that is packed and not left out.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES

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
    return _is_avif(head)


def _is_avif(data: bytes) -> bool:
    brands = data[8:HEAD_BYTES]
    return data[4:8] == b"ftyp" and (b"avif" in brands or b"avis" in brands)


def is_image_file(path: Path) -> bool:
    """Say by its first bytes whether a file is an image; one that cannot be read is not."""
    try:
        if not path.is_file():  # opening a pipe would wait for its other end
            return False
        with path.open("rb") as file:
            return has_image_signature(file.read(HEAD_BYTES))
    except OSError:
        return False


class DecodingDeclined(Exception):
    """What a caller of `open_image` raises in its block to decode no further.

    It comes out as it is; every other exception is one of the image.
    """


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """Open an image file, not yet decoded, of at most MAX_PIXELS.

    Its metadata decide about nothing but its colors and `turn_to_upright`, and damaged ones
    about nothing. Raises UnusableImage, whatever goes wrong, also for what turns out in the
    block when it is decoded.
    """
    try:
        head = data[:HEAD_BYTES]
        if not head:
            raise UnusableImage(
                ImageFault.EMPTY, "The file is empty.", "Choose a file with a photo in it."
            )
        if not has_image_signature(head):
            raise _no_image(head)
        with _opened(data) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_many_pixels()
            yield image
    except (UnusableImage, DecodingDeclined):
        raise
    except UnidentifiedImageError as error:
        # What has the signature of AVIF is nothing else; others may be raw files of cameras.
        raise (_damaged() if _is_avif(data) else _no_image(data)) from error
    except TooManyPieces as error:
        raise UnusableImage(
            ImageFault.DAMAGED,
            "The image file is in too many pieces.",
            "Open it in a picture editor and save it again.",
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except MemoryError as error:
        raise takes_too_much_memory() from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise _damaged() from error
    except Exception as error:
        # Decoders meet bytes that nobody thought of; each file of a batch fails alone.
        _log.info("An image could not be decoded.", exc_info=error)
        raise _damaged() from error


def turn_to_upright(image: Image.Image) -> Image.Transpose | None:
    """Return the turn that the metadata of an opened image ask for, or None if it is upright."""
    return _TURNS.get(image.info.get(_ORIENTATION, 1))


def lacks_end(image: Image.Image) -> bool:
    """Say whether an opened image is a JPEG file that lacks its end."""
    return bool(image.info.get(_LACKS_END))


@contextmanager
def _opened(data: bytes) -> Iterator[ImageFile.ImageFile]:
    jpeg = read_jpeg(data) if is_jpeg(data) else None
    png = read_png(data) if is_png(data) else None
    known = jpeg or png
    if _is_avif(data):  # Pillow fails where EXIF is broken; how to turn AVIF is said elsewhere
        data = _EXIF_OF_AVIF.sub(rb"\1skip", data, count=1)
    if is_tiff(data):  # in one piece, since its decoder would copy it otherwise
        data = without_broken_tags(data)
    file: BinaryIO = read_parts(known.parts) if known else io.BytesIO(data)
    with file, Image.open(file, formats=_FORMATS) as image:
        if known:
            orientation = known.orientation
        else:
            orientation = _orientation(image)
            if image.format == "TIFF":
                # Pillow's method reads the rest of the metadata, and fails if they are damaged.
                image.load_end = _do_nothing  # type: ignore[method-assign]
        image.info[_ORIENTATION] = orientation
        if not isinstance(image.info.get("icc_profile"), bytes):
            image.info.pop("icc_profile", None)
        if jpeg is not None and not jpeg.has_end and image.tile:
            image.info[_LACKS_END] = True
            _add_end(image, jpeg, file)
        try:
            yield image
        finally:
            image.close()  # which `with` does not do: it frees the pixels


def _orientation(image: Image.Image) -> int | None:
    if image.format == "TIFF":
        # An attribute that only TIFF files have.
        in_tag = image.tag_v2.get(ExifTags.Base.Orientation)  # type: ignore[attr-defined]
        if isinstance(in_tag, int):
            return in_tag
    exif, xmp = (image.info.get(name) for name in ("exif", "xmp"))
    return read_orientation(
        exif if isinstance(exif, bytes) else None, xmp if isinstance(xmp, bytes) else None
    )


def _do_nothing() -> None:
    pass


def _add_end(image: ImageFile.ImageFile, jpeg: JpegFile, file: BinaryIO) -> None:
    """Have the end of a JPEG file follow when it is decoded, if it has all pixels."""
    ends = iter([partial(has_all_pixels, jpeg, image.mode, image.size, image.tile[0].args)])

    def read(length: int) -> bytes:
        content = file.read(length)
        is_whole = None if content else next(ends, None)
        return END if is_whole is not None and is_whole() else content

    # Pillow reads a JPEG file by this method, which the base class does not declare.
    image.load_read = read  # type: ignore[attr-defined]


def _damaged() -> UnusableImage:
    return UnusableImage(
        ImageFault.DAMAGED,
        "The image is damaged or cut off.",
        "Copy the file again from where it came from.",
    )


def _no_image(data: bytes) -> UnusableImage:
    kind = next((kind for head, kind in _OTHER_KINDS.items() if data.startswith(head)), None)
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        kind = "a HEIC photo"
    if kind is not None:
        return UnusableImage(
            ImageFault.NOT_AN_IMAGE,
            f"The file is {kind}, which Servery cannot read.",
            "Save it as JPEG with the program that shows it, then try again.",
        )
    return UnusableImage(
        ImageFault.NOT_AN_IMAGE,
        "The file is not an image that Servery can read.",
        f"Choose {KINDS}.",
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
