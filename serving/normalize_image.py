"""The one way from an image file of any kind to the JPEG that a model gets."""

from __future__ import annotations

import io
import select
import stat
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from serving.decoding_memory import OWN_PHOTOS
from serving.decoding_plan import DecodingPlan, checking_cost, plan_decoding
from serving.errors import ImageError, reading_error
from serving.file_parts import TooManyPieces
from serving.image_file import (
    KINDS,
    ImageFault,
    UnusableImage,
    open_image,
    turn_to_upright,
)
from serving.jpeg_file import (
    BASELINE,
    FRAMES,
    PROFILE,
    PROFILE_HEAD_BYTES,
    JpegFile,
    is_jpeg,
    read_jpeg,
)
from serving.srgb import is_like_srgb, is_srgb, to_srgb

MAX_BYTES = 64 * 1024 * 1024
MAX_SIDE = 4096
"""A longer side than this is scaled down: no model here looks at more."""
_END_OF_JPEG = b"\xff\xd9"
_FRAME_BYTES = 10
"""Of the segment with the size, up to the number of components."""
JPEG_QUALITY = 95
"""With colors as fine as brightness: less moves scores by more than the color profiles do that
are applied before."""
_MAX_JPEG_SCALE = 8
"""The largest number that the sides of a JPEG can be divided by while it is decoded."""
_PIPE_SECONDS = 10
"""Of a shell's pipe out of which nothing comes."""
_BLOCK_BYTES = 1 << 20


def read_image(path: Path) -> bytes:
    """Return the bytes of a file, at most MAX_BYTES; raises ImageError.

    It is looked at before it is opened: nothing is read that might have no end or never come.
    """
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            if status.st_size > MAX_BYTES:
                raise too_many_bytes()
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        elif stat.S_ISFIFO(status.st_mode) and _is_open_already(path):
            content = _read_pipe(path)
        else:
            raise ImageError(_what_it_is(status.st_mode), f"Choose {KINDS}.")
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise ImageError(
            "There is no file of this name.",
            "Check where the file is now, then try again from there.",
        ) from error
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
    if len(content) > MAX_BYTES:
        raise too_many_bytes()
    return content


def _is_open_already(pipe: Path) -> bool:
    """Say whether a pipe is one that the shell made for this program, as in `<(…)`.

    To open any other would wait for a program that writes to it.
    """
    return pipe.resolve().parent.name == "fd"


def _read_pipe(pipe: Path) -> bytes:
    content = bytearray()
    with pipe.open("rb", buffering=0) as file:
        while len(content) <= MAX_BYTES:
            if not select.select([file], [], [], _PIPE_SECONDS)[0]:
                raise ImageError(
                    f"Nothing came out of the pipe for {_PIPE_SECONDS} seconds.",
                    "Write the photo to a file, then classify that.",
                )
            block = file.read(_BLOCK_BYTES)
            if not block:
                break
            content += block
    return bytes(content)


def _what_it_is(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(mode), "a device")
    return f"This is {kind}, not a file."


def read_normalized_image(path: Path) -> bytes:
    """Return the normalized JPEG of the image file at `path`; raises ImageError."""
    return normalize_image(read_image(path))


def normalize_image(data: bytes, on_cost: Callable[[int], None] | None = None) -> bytes:
    """Return `data` as an upright sRGB JPEG, of RGB or grey, no longer than MAX_SIDE.

    A JPEG that is all this already passes through unchanged, byte for byte, so this may
    be done again wherever bytes come in. PNG, WebP, AVIF, GIF, BMP, TIFF, CMYK, rotated
    (EXIF) and oversized images and those with another color profile are converted.
    Raises UnusableImage for anything else. `on_cost` is called before the image is decoded
    with how many bytes of memory that takes at most, and may raise DecodingDeclined instead;
    without it, the memory is that of OWN_PHOTOS, which may be waited for.
    """
    if len(data) > MAX_BYTES:
        raise too_many_bytes()
    with ExitStack() as memory, open_image(data) as image:
        plan = plan_decoding(image, len(data), MAX_SIDE)
        # Only decoding all of a file shows whether it is damaged. At the least scale that still
        # reads every code of the pixels, and takes a third of the time.
        passes = plan.scale == 1 and _is_normalized(image, data)
        scale = _MAX_JPEG_SCALE if passes else plan.scale
        cost = checking_cost(image, len(data), scale) if passes else plan.cost
        if on_cost is not None:
            on_cost(cost)
        else:
            memory.enter_context(OWN_PHOTOS.reserve(cost))
        if scale > 1 and image.format == "JPEG":
            image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
        image.load()
        if passes:
            return data
        # Pillow's decoders of WebP and AVIF keep 4 to 8 bytes of each pixel, for more frames.
        image._decoder = None  # type: ignore[attr-defined]
        return _converted(image, plan)


def looks_normalized(data: bytes) -> bool:
    """Whether `data` is a normalized JPEG by its head and its end; it is not decoded.

    A tenth of the work of `normalize_image`. Damage between the two does not show, so this is for
    what is decoded anyway by somebody who tells.
    """
    if not data.endswith(_END_OF_JPEG):  # cut off, or with something after it
        return False
    try:
        if is_jpeg(data) and _is_ordinary(read_jpeg(data)):
            return True
        with open_image(data) as image:
            return _is_normalized(image, data)
    except (UnusableImage, TooManyPieces, EOFError):
        return False


def _is_ordinary(jpeg: JpegFile) -> bool:
    """Whether the markers of a JPEG alone say that it is normalized, as those of most cameras do.

    Pillow, which knows of every kind, takes several times as long to look at one.
    """
    if not jpeg.is_plain or jpeg.orientation not in (None, 1):
        return False
    segments = {part[1]: part for part in jpeg.parts[1:-1]}
    frame = segments.get(BASELINE, b"")
    # What has more than one size may have any.
    if len(frame) < _FRAME_BYTES or not segments.keys().isdisjoint(FRAMES[1:]):
        return False
    height, width = int.from_bytes(frame[5:7], "big"), int.from_bytes(frame[7:9], "big")
    bits, components = frame[4], frame[9]
    if not (bits == 8 and 0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        return False
    if PROFILE not in segments:
        return components in (1, 3)
    profile = bytes(segments[PROFILE])
    # One that is in several pieces, or of a grey photo, is left to Pillow.
    return (
        components == 3
        and len(profile) > PROFILE_HEAD_BYTES
        and profile[PROFILE_HEAD_BYTES - 1] == 1
        and is_like_srgb(profile[PROFILE_HEAD_BYTES:])
    )


def _is_normalized(image: Image.Image, data: bytes) -> bool:
    return (
        image.format == "JPEG"
        and image.mode in ("RGB", "L")
        and turn_to_upright(image) is None
        and max(image.size) <= MAX_SIDE
        and is_srgb(image)
        and read_jpeg(data).is_plain
    )


def _converted(image: Image.Image, plan: DecodingPlan) -> bytes:
    turn = turn_to_upright(image)
    smaller = image
    if plan.scale > 1 and image.format != "JPEG":
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
        out, "JPEG", quality=JPEG_QUALITY, subsampling=0, comment=b""
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
