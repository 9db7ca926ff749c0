"""Images that are damaged at random, each by its number alone: the same in every run.

As a program it reads so many of them, as the model and as the window do, and prints what is wrong:
`python -m tests.support.mutated_images FIRST COUNT`.
"""

from __future__ import annotations

import functools
import io
import json
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from desktop.widgets.picture import decode_picture
from serving.image_file import UnusableImage
from serving.normalize_image import MAX_SIDE, normalize_image
from tests.support.golden_images import scene
from tests.support.hostile_images import encoded
from tests.support.icc_profiles import DISPLAY_P3
from tests.support.odd_images import SIDEWAYS, exif

MAX_SECONDS = 2.0
"""Of processor time for one file, both ways together."""
_SIZE = (72, 52)
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
_TILE = 64


class TookTooLong(BaseException):
    """No exception that a reader could take for one of the image."""


@functools.cache
def originals() -> tuple[bytes, ...]:
    """Return one whole image of each of ten kinds, with metadata where it can have some."""
    picture = scene(_SIZE)
    known = {"icc_profile": DISPLAY_P3.profile(), "exif": exif(SIDEWAYS)}
    return (
        encoded(picture, "JPEG", **known),
        encoded(picture, "JPEG", progressive=True, comment=b"a cat", restart_marker_blocks=3),
        encoded(picture.convert("CMYK"), "JPEG"),
        encoded(picture, "PNG", **known),
        encoded(picture.convert("P"), "PNG", transparency=3),
        encoded(picture, "WEBP", **known),
        encoded(picture, "GIF", comment=b"a cat"),
        encoded(picture, "BMP"),
        encoded(picture, "TIFF", compression="tiff_lzw", **known),
        encoded(picture, "AVIF", speed=10, **known),
    )


def mutated_image(number: int) -> bytes:
    """Return an image with one to eight faults."""
    rng = random.Random(number)
    data = bytearray(rng.choice(originals()))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if data:
            rng.choice(_MUTATIONS)(rng, data)
    return bytes(data)


def _place(rng: random.Random, data: bytearray) -> int:
    """Return a place, as often in the header as in all the rest."""
    return rng.randrange(min(len(data), 300) if rng.random() < 0.5 else len(data))


def _change_byte(rng: random.Random, data: bytearray) -> None:
    data[_place(rng, data)] = rng.randrange(256)


def _flip_bit(rng: random.Random, data: bytearray) -> None:
    data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _write_number(rng: random.Random, data: bytearray) -> None:
    at, width = _place(rng, data), rng.choice((2, 4))
    number = rng.choice(_NUMBERS) % (1 << 8 * width)
    data[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))


def _remove(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    del data[at : at + rng.choice((1, 2, 4, 40, 400))]


def _repeat(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    part = data[at : at + rng.choice((1, 4, 40, 400))]
    data[at:at] = part * rng.choice((1, 2, 30))


def _move(rng: random.Random, data: bytearray) -> None:
    source, length = _place(rng, data), rng.choice((4, 12, 40))
    part = data[source : source + length]
    del data[source : source + length]
    at = rng.randrange(len(data) + 1)
    data[at:at] = part


def _empty(rng: random.Random, data: bytearray) -> None:
    at, length = _place(rng, data), rng.choice((8, 80, 800))
    data[at : at + length] = bytes(len(data[at : at + length]))


def _cut_off(rng: random.Random, data: bytearray) -> None:
    del data[_place(rng, data) :]


def _join(rng: random.Random, data: bytearray) -> None:
    other = rng.choice(originals())
    data[_place(rng, data) :] = other[rng.randrange(len(other)) :]


_MUTATIONS: tuple[Callable[[random.Random, bytearray], None], ...] = (
    *(_change_byte, _flip_bit, _write_number, _remove, _repeat, _move, _empty, _cut_off, _join),
)


@contextmanager
def limited_time() -> Iterator[None]:
    """Raise TookTooLong in a block that takes more than MAX_SECONDS of the processor."""
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def read(data: bytes) -> bool:
    """Read an image both ways; returns whether there was an answer rather than a named error.

    Anything else comes out as another exception.
    """
    decode_picture(data, _TILE)
    try:
        normalized = normalize_image(data)
    except UnusableImage as error:
        if not (error.what.endswith(".") and error.advice.endswith(".")):
            raise AssertionError("named without words") from error
        return False
    with Image.open(io.BytesIO(normalized), formats=["JPEG"]) as image:
        image.load()
        assert max(image.size) <= MAX_SIDE
    return True


def main(first: int, count: int) -> None:
    def give_up(number: int, frame: object) -> None:
        raise TookTooLong

    signal.signal(signal.SIGPROF, give_up)
    answered = named = 0
    faults = {}
    for number in range(first, first + count):
        try:
            with limited_time():
                has_answer = read(mutated_image(number))
        except (Exception, TookTooLong):
            faults[number] = traceback.format_exc()
        else:
            answered += has_answer
            named += not has_answer
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    result = {"answered": answered, "named": named, "faults": faults, "peak": peak * 1024}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
