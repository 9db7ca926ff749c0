"""The time that decoding large photos at a reduced scale saves, and how scores change.

    python -m tests.benchmarks.reduced_decoding

The shared photos are enlarged to 1,500 and 3,000 pixels, with some noise as a camera
adds it, and classified by the built-in model: from pixels decoded in full, and from
pixels decoded at the scale that leaves 2 and 4 times the size that it sees.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from PIL import Image

from serving.model_server.graph_cut import find_cut
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, ZOOM, built_in_model
from serving.models.builtin.install import write_built_in
from serving.models.servable import decode_square
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.session import Session
from serving.tf.tensors import Tensor
from tests.benchmarks.reference_model import DATA

MODEL = built_in_model(DEFAULT_BUILT_IN)
FULL_SIZE = 10_000
SPARE_DETAILS = (FULL_SIZE, 2, 4)
PHOTOS = 16
COMPARED_SCORES = 5
"""Scores of each photo that are compared, the highest."""


def enlarged(path: Path, edge: int) -> bytes:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    factor = edge / min(image.size)
    image = image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC
    )
    noise = np.random.default_rng(0).normal(0, 4, (image.height, image.width, 1))
    pixels = (np.asarray(image, np.float32) + noise).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=92)
    return out.getvalue()


def decoder(spare_detail: int) -> Callable[[Any], Any]:
    decode: Callable[[Any], Any] = tf.function(
        lambda image: decode_square(image, MODEL.input_side, ZOOM, spare_detail),
        input_signature=[tf.TensorSpec([], tf.string)],
    ).get_concrete_function()
    return decode


def compare(version: Path) -> None:
    session = Session(version, ["serve"], 0, 0)
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    cut = find_cut(saved.meta_graphs[0].graph_def, ["servery/scores"])
    assert cut is not None
    classify = session.computation([cut.pixels], ["servery/classes", "servery/scores"])
    for edge in (1500, 3000):
        files = [enlarged(path, edge) for path in sorted((DATA / "photos").glob("*.JPEG"))[:PHOTOS]]
        expected: list[dict[bytes, float]] = []
        for spare_detail in SPARE_DETAILS:
            decode = decoder(spare_detail)
            decode(tf.constant(files[0]))
            started = time.perf_counter()
            pixels = np.stack([decode(tf.constant(file)).numpy() for file in files])
            spent = (time.perf_counter() - started) / len(files)
            classes, scores = classify([Tensor(types_pb2.DT_FLOAT, pixels)], None)
            answers = [
                dict(zip(*row, strict=True))
                for row in zip(classes.array, scores.array, strict=True)
            ]
            expected = expected or answers
            differences = [
                max(abs(other[name] - one.get(name, 0.0)) for name in list(other)[:COMPARED_SCORES])
                for one, other in zip(answers, expected, strict=True)
            ]
            name = "in full" if spare_detail == FULL_SIZE else f"leaving {spare_detail} times"
            print(
                f"{edge} pixels, {name:<16} {1000 * spent:6.1f} ms a photo; scores differ by "
                f"{statistics.median(differences):.4f}, and {max(differences):.4f} at most",
                flush=True,
            )
    session.close()


def main() -> None:
    argparse.ArgumentParser(description="Compare decoding at several scales.").parse_args()
    if not DATA.is_dir():
        sys.exit(f"The data for this benchmark is not at {DATA}.")
    with tempfile.TemporaryDirectory() as folder:
        write_built_in(Path(folder), MODEL)
        compare(Path(folder))


if __name__ == "__main__":
    main()
