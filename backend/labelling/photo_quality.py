"""Photos that nothing can be learned from: dark, blurred or empty ones.

Each is judged as large as a network sees it, its shorter side 256 pixels: what is lost below that
size harms nothing. Thresholds were measured on 344 real photos, darkened and blurred ones of
them; docs/decisions/labelling-queue.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from backend.contract import IssueKind
from backend.training.head import Floats
from serving.errors import ImageError
from serving.image_file import open_image

SIDE = 256
"""Pixels of the shorter side."""
_DARK = 80.0
"""Of 255; in the darkest real photo the brightest hundredth is at 174."""
_EMPTY = 20.0
"""Of 255; in the emptiest real photo colours differ by 62."""
_BLURRED = 11.5
"""A blur by 3 of 256 pixels leaves no stronger edge in 99 of 100 photos; the weakest of any
real photo is 12."""
_TILE = 64


@dataclass(frozen=True)
class Quality:
    """Measures of one photo, all in levels of 0 to 255."""

    brightness: float
    """Of the brightest hundredth of its pixels, in their brightest channels."""
    variety: float
    """How much the brightest and the darkest hundredth of a 64 x 64 picture of it differ, in the
    channel in which they differ most."""
    sharpness: float
    """How much pixels differ from their four neighbours, summed; on the thousandth of its pixels
    that differ most."""

    @property
    def fault(self) -> tuple[IssueKind, float] | None:
        """What is wrong with it and how sure that is, 0.5 to 1; None if nothing is."""
        for value, limit, kind in (
            (self.brightness, _DARK, IssueKind.DARK),
            (self.variety, _EMPTY, IssueKind.EMPTY),
            (self.sharpness, _BLURRED, IssueKind.BLURRED),
        ):
            if value < limit:
                return kind, 1 - value / limit / 2
        return None


def quality_of(jpeg: bytes) -> Quality | None:
    """Measure a normalized JPEG; None for one that cannot be decoded."""
    try:
        with open_image(jpeg) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            picture = image.convert("RGB")
    except (OSError, ImageError):
        return None
    scale = SIDE / min(picture.size)
    if scale < 1:
        width, height = (max(3, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return measure(picture)


def measure(picture: Image.Image) -> Quality:
    """Measure an RGB picture."""
    grey = np.asarray(picture.convert("L"), np.float32)
    small = np.asarray(picture.resize((_TILE, _TILE), Image.Resampling.BOX), np.float32)
    differ = np.percentile(small, 99, axis=(0, 1)) - np.percentile(small, 1, axis=(0, 1))
    return Quality(
        # Not the grey picture: in that, a bright blue is dark.
        float(np.percentile(np.asarray(picture).max(axis=2), 99)),
        float(differ.max()),
        float(np.percentile(_edges(grey), 99.9)) if min(grey.shape) > 2 else 255.0,
    )


def _edges(grey: Floats) -> Floats:
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    edges: Floats = np.abs(4 * middle - around)
    return edges
