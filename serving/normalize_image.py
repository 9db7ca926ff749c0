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
from serving.decoding_plan import DecodingPlan, plan_decoding
from serving.errors import ImageError, reading_error
from serving.image_file import (
    KINDS,
    ImageFault,
    UnusableImage,
    open_image,
    turn_to_upright,
)
from serving.jpeg_file import read_jpeg
from serving.srgb import is_srgb, to_srgb

MAX_BYTES = 64 * 1024 * 1024
MAX_SIDE = 4096
"""A longer side than this is scaled down: no model here looks at more."""
JPEG_QUALITY = 95
"""With colors as fine as brightness: less moves scores by more than the color profiles do that
are applied before."""
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
        if on_cost is not None:
            on_cost(plan.cost)
        else:
            memory.enter_context(OWN_PHOTOS.reserve(plan.cost))
        if plan.scale > 1 and image.format == "JPEG":
            image.draft(None, (image.width // plan.scale, image.height // plan.scale))
        image.load()  # only decoding it whole shows whether a file is damaged
        if plan.scale == 1 and _is_normalized(image, data):
            return data
        # Decoders of WebP and AVIF keep 4 to 8 bytes of each pixel, for more frames.
        image._decoder = None  # type: ignore[attr-defined]
        return _converted(image, plan)


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
