"""Which photos are called dark, blurred or empty: real ones, and what was made of them.

    python -m tests.benchmarks.photo_quality --data FOLDER [--photos 300]

Every photo below FOLDER counts, up to so many. "Darkened" leaves so much of the light, "blurred"
is a Gaussian blur of so many pixels where the shorter side has 256, "covered" is one colour with
the noise of a sensor.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from backend.labelling.photo_quality import SIDE, measure
from serving.image_file import IMAGE_SUFFIXES

Change = Callable[[Image.Image], Image.Image]


def darkened(share: float) -> Change:
    return lambda picture: ImageEnhance.Brightness(picture).enhance(share)


def blurred(radius: float) -> Change:
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(radius))


def covered(picture: Image.Image) -> Image.Image:
    colour = np.asarray(picture.resize((1, 1)), np.float32)
    noise = np.random.default_rng(0).normal(0, 4, (picture.height, picture.width, 3))
    return Image.fromarray((colour + noise).clip(0, 255).astype(np.uint8))


CHANGES: dict[str, Change] = {
    "as they are": lambda picture: picture,
    "darkened to 30%": darkened(0.3),
    "darkened to 15%": darkened(0.15),
    "blurred by 1.5 pixels": blurred(1.5),
    "blurred by 3 pixels": blurred(3),
    "blurred by 5 pixels": blurred(5),
    "covered": covered,
}


def read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        picture = image.convert("RGB")
    scale = min(1.0, SIDE / min(picture.size))
    return picture.resize((round(picture.width * scale), round(picture.height * scale)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what is called a bad photo.")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--photos", type=int, default=300)
    arguments = parser.parse_args()
    suffixes = {suffix.lower() for suffix in IMAGE_SUFFIXES}
    paths = sorted(p for p in arguments.data.rglob("*") if p.suffix.lower() in suffixes)
    random.Random(0).shuffle(paths)
    pictures = [read(path) for path in paths[: arguments.photos]]
    print(f"{len(pictures):,} photos      dark  blurred    empty  no fault")
    for name, change in CHANGES.items():
        faults = (measure(change(picture)).fault for picture in pictures)
        found = Counter("" if fault is None else fault[0].value for fault in faults)
        shares = (100 * found[kind] / len(pictures) for kind in ("dark", "blurred", "empty", ""))
        print(f"{name:22}" + "".join(f"{share:8.1f}%" for share in shares))


if __name__ == "__main__":
    main()
