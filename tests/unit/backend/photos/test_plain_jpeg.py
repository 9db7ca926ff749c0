"""Which photos are decoded in the backend itself, and what that is said to take."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image

from backend.photos.plain_jpeg import MAX_BYTES, MAX_PIXELS, plain_jpeg_cost
from serving.normalize_image import normalize_image
from tests.support.hostile_images import BOMBS, encoded
from tests.support.icc_profiles import ADOBE_RGB


def image(size: tuple[int, int] = (500, 375)) -> Image.Image:
    return Image.merge("RGB", [Image.effect_noise(size, 60)] * 3)


def exif(text: str) -> Image.Exif:
    made = Image.Exif()
    made[0x010E] = text
    return made


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def beginning_with(*segments: bytes) -> bytes:
    jpeg = encoded(image(), "JPEG")
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


ORDINARY: dict[str, Callable[[], bytes]] = {
    "color": lambda: encoded(image(), "JPEG"),
    "grey": lambda: encoded(image().convert("L"), "JPEG"),
    "with EXIF": lambda: encoded(image(), "JPEG", exif=exif("a cat")),
    "with a comment": lambda: encoded(image(), "JPEG", comment=b"a cat"),
    "with a color profile": lambda: encoded(image(), "JPEG", icc_profile=ADOBE_RGB.profile()),
    "with restarts": lambda: encoded(image(), "JPEG", restart_marker_rows=1),
    "largest": lambda: encoded(image((2000, 2000)), "JPEG", quality=40),
}

UNUSUAL: dict[str, Callable[[], bytes]] = {
    "progressive": lambda: encoded(image(), "JPEG", progressive=True),
    "inks": lambda: encoded(image().convert("CMYK"), "JPEG"),
    "too many pixels": lambda: encoded(Image.new("RGB", (2001, 2000)), "JPEG"),
    "too many bytes": lambda: encoded(image(), "JPEG") + bytes(MAX_BYTES),
    "much EXIF": lambda: encoded(image(), "JPEG", exif=exif("x" * 9_000)),
    "EXIF in two parts": lambda: beginning_with(*[segment(0xE1, b"Exif\0\0" + b"x" * 6000)] * 2),
    "several images": lambda: beginning_with(segment(0xE2, b"MPF\0" + bytes(50))),
    "two frames": lambda: beginning_with(segment(0xC0, bytes.fromhex("080010001003" + "00" * 9))),
    "arithmetic coding": lambda: beginning_with(segment(0xCC, b"\0\0")),
    "many comments": lambda: beginning_with(*[segment(0xFE, b"")] * 40),
    "much of a comment": lambda: beginning_with(*[segment(0xFE, bytes(60_000))] * 2),
    "cut off in its head": lambda: encoded(image(), "JPEG")[:200],
    "no photo": lambda: b"\xff\xd8",
    "PNG": lambda: encoded(image(), "PNG"),
    "empty": lambda: b"",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_photo_takes_no_more_than_is_said(name: str) -> None:
    data, costs = ORDINARY[name](), list[int]()
    normalize_image(data, costs.append)
    cost = plain_jpeg_cost(data)
    assert cost is not None
    # What is converted takes more, which is found out once its header is read.
    assert costs[0] <= cost or name == "with a color profile"
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.width * opened.height <= MAX_PIXELS


@pytest.mark.parametrize("name", UNUSUAL)
def test_anything_else_is_left_to_other_processes(name: str) -> None:
    assert plain_jpeg_cost(UNUSUAL[name]()) is None


@pytest.mark.parametrize("name", [name for name in BOMBS if "scans" in name or "JPEG" in name])
def test_no_bomb_is_decoded_in_the_backend(name: str) -> None:
    assert plain_jpeg_cost(BOMBS[name]()) is None
