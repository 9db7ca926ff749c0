"""How a photo becomes what a version's network takes, without TensorFlow.

The lines are written beside every export, stand in docs/exporting.md, and are what an export is
checked with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

_HEAD = '''\
"""Reads a photo as the model takes it."""

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT, ZOOM = {width}, {height}, {zoom}


def read_photo(path):
    """Return the pixels of a photo: float32 [1, HEIGHT, WIDTH, 3], 0 to 255."""
    with Image.open(path) as photo:
        larger = min(photo.width / WIDTH, photo.height / HEIGHT) / ZOOM / 4
        ratio = max([1] + [r for r in (2, 4, 8) if larger >= r])
        photo.draft("RGB", (photo.width // ratio, photo.height // ratio))
        photo = ImageOps.exif_transpose(photo).convert("RGB")
'''
_CROP = """\
    scale = max(WIDTH / photo.width, HEIGHT / photo.height) * ZOOM
    x, y = max(0, photo.width - WIDTH / scale) / 2, max(0, photo.height - HEIGHT / scale) / 2
    box = (x, y, photo.width - x, photo.height - y)
"""
_STRETCH = """\
    box = (0, 0, photo.width, photo.height)
"""
_TAIL = """\
    planes = [p.convert("F").resize((WIDTH, HEIGHT), Image.BICUBIC, box) for p in photo.split()]
    return np.clip(np.stack(planes, axis=-1), 0, 255)[np.newaxis]
"""


@dataclass(frozen=True)
class PhotoReading:
    """A way to make a photo fit."""

    height: int
    width: int
    zoom: float = 1.0
    """Photos are scaled to so many times the size, then the middle is cut out."""
    stretches: bool = False
    """The whole photo is scaled to the size, whatever its shape."""

    @property
    def text(self) -> str:
        """The Python file that reads a photo so."""
        head = _HEAD.format(height=self.height, width=self.width, zoom=self.zoom)
        return head + (_STRETCH if self.stretches else _CROP) + _TAIL

    def reader(self) -> Callable[[IO[bytes]], Any]:
        """Return the function `read_photo` of that file."""
        names: dict[str, Any] = {}
        exec(compile(self.text, "read_photo.py", "exec"), names)
        read: Callable[[IO[bytes]], Any] = names["read_photo"]
        return read
