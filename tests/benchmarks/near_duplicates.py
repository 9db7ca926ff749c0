"""How many copies of photos count as near-duplicates, and how many distinct photos do.

    python -m tests.benchmarks.near_duplicates --data FOLDER [--photos 90]

FOLDER is as in `queue`. So many photos are copied in several ways; a shot of a burst is turned by
up to 2 degrees, loses 2 to 6% on each side, is up to 8% brighter or darker, and has other noise.
The last line is about all photos to learn from as they are.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from backend.training.head import Floats, unit
from backend.training.loaded_version import LoadedVersion
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.near_duplicate import NEAR_DUPLICATE
from tests.benchmarks.embedded_folder import BATCH, add_arguments, embedded

QUALITY = 88
Change = Callable[[Image.Image], Image.Image]


def crop(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Return a picture without these shares of its sides."""
    width, height = picture.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return picture.crop(tuple(round(side) for side in box))  # type: ignore[arg-type]


def burst(picture: Image.Image) -> Image.Image:
    rng = np.random.default_rng(picture.width + round(np.asarray(picture).mean() * 1000))
    turned = picture.rotate(float(rng.uniform(-2, 2)), resample=Image.Resampling.BICUBIC)
    left, top, right, bottom = rng.uniform(0.02, 0.06, 4).tolist()
    moved = crop(turned, left, top, right, bottom)
    lit = ImageEnhance.Brightness(moved).enhance(float(rng.uniform(0.92, 1.08)))
    noisy = np.asarray(lit, np.float32) + rng.normal(0, 4, (lit.height, lit.width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


CHANGES: dict[str, tuple[Change, int]] = {
    "quality 50": (lambda picture: picture, 50),
    "half the side": (lambda picture: ImageOps.scale(picture, 0.5), QUALITY),
    "5% off each side": (lambda picture: crop(picture, 0.05, 0.05, 0.05, 0.05), QUALITY),
    "10% off two sides": (lambda picture: crop(picture, 0.1, 0, 0, 0.1), QUALITY),
    "20% brighter": (lambda picture: ImageEnhance.Brightness(picture).enhance(1.2), QUALITY),
    "mirror image": (ImageOps.mirror, QUALITY),
    "another of a burst": (burst, QUALITY),
}


def encoded(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def embed(version: LoadedVersion, jpegs: list[bytes]) -> Floats:
    batches = [jpegs[start : start + BATCH] for start in range(0, len(jpegs), BATCH)]
    return unit(np.concatenate([version.embed(batch) for batch in batches]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure near-duplicates.")
    add_arguments(parser)
    parser.add_argument("--photos", type=int, default=90)
    arguments = parser.parse_args()
    photos, _ = embedded(arguments)
    chosen = np.random.default_rng(0).permutation(len(photos))[: arguments.photos]
    pictures = [Image.open(photos.paths[index]).convert("RGB") for index in chosen]
    with tempfile.TemporaryDirectory() as folder:
        installed = install_built_in(ModelRepository(Path(folder)), arguments.backbone)
        with LoadedVersion(installed.path) as version:
            originals = embed(version, [encoded(picture, 95) for picture in pictures])
            for name, (change, quality) in CHANGES.items():
                copies = embed(version, [encoded(change(each), quality) for each in pictures])
                cosine = (originals * copies).sum(axis=1)
                share = 100 * (cosine >= NEAR_DUPLICATE).mean()
                print(f"{name:22}{share:6.1f}%   (cosine {np.median(cosine):.2f})", flush=True)
    cosine = photos.embeddings @ photos.embeddings.T
    np.fill_diagonal(cosine, -1)
    has_one = cosine.max(axis=1) >= NEAR_DUPLICATE
    apart = photos.truth[cosine.argmax(axis=1)] != photos.truth
    print(f"of {len(photos):,} photos, {100 * has_one.mean():.1f}% have a near-duplicate,", end="")
    print(f" {100 * (has_one & apart).mean():.1f}% one of another class")


if __name__ == "__main__":
    main()
