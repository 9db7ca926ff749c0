"""What exports of the built-in models weigh, how long they take, and how far their scores are off.

`python -m tests.benchmarks.export_files [--photos FOLDER]`. The largest difference is that of any
score on the photos of the folder and on those that every export is checked with. `reader` is how
far the reader beside the file is from the pixels that the version makes, of 255.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from backend.training.worker_process import worker_variables
from serving.errors import ImageError
from serving.exporting.arithmetic import arithmetic_of
from serving.exporting.check import find_reading, version_scores
from serving.exporting.check_photos import check_photos
from serving.exporting.request import PROGRAM
from serving.job_program import run_job
from serving.models.builtin.catalog import built_in_models
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.normalize_image import normalize_image
from serving.units import format_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="A folder of photos, in folders of any depth.")
    folder = parser.parse_args().photos
    with tempfile.TemporaryDirectory() as temporary:
        photos = _normalized(folder, Path(temporary)) if folder is not None else []
        for model in built_in_models():
            asyncio.run(_measure(model.name, Path(temporary), photos))


async def _measure(name: str, folder: Path, photos: list[Path]) -> None:
    version = install_built_in(ModelRepository(folder / "models"), name)
    print(f"{name}, reader {_pixels_off(version.path, photos):.3f}")
    for kind in ("savedmodel", "tflite", "onnx"):
        request = {
            "version_folder": str(version.path),
            "format": kind,
            "target": str(folder / f"{name}-{kind}"),
            "umask": 0o022,
            "photos": [str(photo) for photo in photos],
        }
        began = time.monotonic()
        done = await run_job(PROGRAM, json.dumps(request), "The export", worker_variables())
        seconds = time.monotonic() - began
        print(
            f"  {kind}: {format_bytes(done['bytes'])}, {seconds:.1f} s, difference"
            f" {done['largest_difference']:.1e} on {done['photos']} photos"
        )


def _pixels_off(version: Path, photos: list[Path]) -> float:
    arithmetic = arithmetic_of(version)
    jpegs = [*check_photos(), *(photo.read_bytes() for photo in photos)]
    made = version_scores(version, arithmetic, jpegs).pixels
    read = find_reading(arithmetic, jpegs, made).reader()
    return max(
        float(np.abs(read(io.BytesIO(jpeg))[0] - pixels).max())
        for jpeg, pixels in zip(jpegs, made, strict=True)
    )


def _normalized(folder: Path, target: Path) -> list[Path]:
    """Write the photos of a folder as the backend stores them; others are left out."""
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                jpeg = normalize_image(path.read_bytes())
            except ImageError:
                continue
            found.append(target / f"{len(found)}.jpg")
            found[-1].write_bytes(jpeg)
    return found


if __name__ == "__main__":
    main()
