"""Thousands of photos for benchmarks: no two alike, made once and kept for the next run."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos"
FOLDER_PHOTOS = 1000
"""Photos in a folder."""
CAMERA_EVERY = 50
"""One photo of so many is as large as a camera makes it, the others are as large as on the web."""
CAMERA_SIZE = (4000, 3000)
WEB_SIDES = (500, 640, 800, 1024)
"""Pixels of the longer side."""


def many_photos(count: int, source: Path = PHOTOS) -> list[Path]:
    """Return so many JPEG files of different content, in folders of a thousand.

    They are crops of the photos in `source`, half of them mirrored, and lie in the system's folder
    for temporary files, where a later run finds them.
    """
    root = Path(tempfile.gettempdir()) / "servery-benchmark-photos"
    sources = sorted(path for path in source.glob("*") if path.suffix != ".csv")
    if not sources:
        raise SystemExit(f"There are no photos in {source}.")
    files = [_file(root, number) for number in range(count)]
    for number, file in enumerate(files):
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            _made_up(number, sources[number % len(sources)]).save(part, "JPEG", quality=85)
            part.rename(file)
            if (number + 1) % FOLDER_PHOTOS == 0:
                print(f"{number + 1:,} of {count:,} photos are made", file=sys.stderr, flush=True)
    return files


def _file(root: Path, number: int) -> Path:
    return root / f"{number // FOLDER_PHOTOS:03}" / f"IMG_{number:06}.jpg"


def _made_up(number: int, source: Path) -> Image.Image:
    rng = random.Random(number)
    with Image.open(source) as image:
        photo = image.convert("RGB")
    share = rng.uniform(0.6, 1.0)
    width, height = round(photo.width * share), round(photo.height * share)
    left, top = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
    crop = photo.crop((left, top, left + width, top + height))
    if number % 2:
        crop = ImageOps.mirror(crop)
    if number % CAMERA_EVERY == CAMERA_EVERY - 1:
        return crop.resize(CAMERA_SIZE)
    longer = rng.choice(WEB_SIDES) / max(crop.size)
    return crop.resize((round(crop.width * longer), round(crop.height * longer)))
