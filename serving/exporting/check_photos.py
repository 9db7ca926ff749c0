"""Photos that every export is checked with, besides those that there are."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

_SIZES = ((640, 480), (300, 420), (33, 60), (5000, 3800))
"""Wide, tall, smaller than what networks take, and so large that it is decoded at a smaller
scale."""


def check_photos() -> list[bytes]:
    """Return JPEG files of several sizes, the same at every call."""
    return [_photo(number, *size) for number, size in enumerate(_SIZES)]


def _photo(number: int, width: int, height: int) -> bytes:
    """Return a picture of smooth colors with some shapes, since scores of noise say little."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (5, 6, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y = random.integers(0, (width, height))
        size = int(random.integers(min(width, height) // 8, min(width, height) // 2))
        color = tuple(int(value) for value in random.integers(0, 256, 3))
        draw.ellipse((x - size, y - size, x + size, y + size), fill=color)
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=90)
    return jpeg.getvalue()
