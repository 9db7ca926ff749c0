"""Versions as Servery 0.1 made them: a head on the embedding alone, and `features.npz`.

The file holds embeddings to rehearse and to evaluate on, so that learning kept what a version
knew; versions that learned store in it what they learned from and the head before that.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backend.training.head import Floats, Head, ServableGraph
from serving.models.card import CARD_PATH
from serving.tf.names import SAVED_MODEL_FILE
from tests.support.sample_images import painting
from tests.support.tiny_model import COLORS, head_for, write_tiny
from tests.support.tiny_network import EMBEDDING_SIZE, SIDE, embedding

GRAPH = Path(__file__).with_suffix(".pb")
"""The graph of the tiny model as Servery 0.1 exported it, which cannot be made again."""
FEATURES_NAME = "assets.extra/features.npz"
REHEARSED_PER_CLASS = 8
HELD_OUT_PER_CLASS = 5
RIDGE = 3.0


def write_former_version(folder: Path, name: str, classes: Mapping[str, str] = COLORS) -> None:
    """Write what Servery 0.1 shipped into `folder`, with `classes` given by their colors."""
    write_tiny(folder, name, classes)
    _write_head(folder, head_for(classes))
    _write_card(folder, name, tuple(classes), {})
    _write_features(folder, _shipped_rows(classes))


def write_former_taught_version(
    folder: Path,
    name: str,
    taught: Mapping[str, list[bytes]],
    classes: Mapping[str, str] = COLORS,
    *,
    base_version: int = 1,
    training_run: str = "run-1",
) -> None:
    """Write a version that learned `taught` from one that `write_former_version` wrote.

    `taught` maps each new class to the JPEG files that it was learned from.
    """
    names = (*classes, *taught)
    rows = _shipped_rows(classes)
    photos = [(index, jpeg) for index, kind in enumerate(taught) for jpeg in taught[kind]]
    train = np.concatenate([rows["train_embeddings"], [embedded(jpeg) for _, jpeg in photos]])
    train_classes = [*rows["train_classes"], *(len(classes) + index for index, _ in photos)]
    images = [hashlib.sha256(jpeg).hexdigest() for _, jpeg in photos]
    foundation = head_for(classes)
    write_tiny(folder, name, classes)
    _write_head(folder, _fitted(train, train_classes, names))
    learned = {
        "base_version": base_version,
        "training_run": training_run,
        "training": {"method": "head fitted to embeddings", "labelled_images": len(photos)},
    }
    _write_card(folder, name, names, learned)
    _write_features(
        folder,
        {
            **rows,
            "train_embeddings": train.astype(np.float16),
            "train_classes": np.array(train_classes, np.int32),
            "train_images": np.array([""] * len(rows["train_classes"]) + images, "S64"),
            "held_out_images": np.array([""] * len(rows["held_out_classes"]), "S64"),
            "foundation_kernel": foundation.kernel,
            "foundation_bias": foundation.bias,
            "foundation_classes": np.array(foundation.classes, np.str_),
        },
    )


def embedded(jpeg: bytes) -> Floats:
    """Return about what the graph computes of a photo, without TensorFlow."""
    with Image.open(io.BytesIO(jpeg)) as image:
        edge = min(image.size)
        left, top = ((size - edge) // 2 for size in image.size)
        square = image.convert("RGB").crop((left, top, left + edge, top + edge))
        return embedding(np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BILINEAR)))


def _shipped_rows(classes: Mapping[str, str]) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    counts = (("train", REHEARSED_PER_CLASS), ("held_out", HELD_OUT_PER_CLASS))
    for part, count in counts:
        rows = [
            embedded(painting(color, f"{part} {number}"))
            for color in classes.values()
            for number in range(count)
        ]
        arrays[f"{part}_embeddings"] = np.array(rows, np.float16)
        arrays[f"{part}_classes"] = np.repeat(np.arange(len(classes), dtype=np.int32), count)
    return arrays


def _fitted(embeddings: Any, classes: list[int], names: tuple[str, ...]) -> Head:
    """Ridge regression: good enough to answer with what was taught."""
    rows = np.hstack([embeddings.astype(np.float64), np.ones((len(embeddings), 1))])
    targets = 12 * np.eye(len(names))[classes]
    solved = np.linalg.solve(rows.T @ rows + RIDGE * np.eye(rows.shape[1]), rows.T @ targets)
    kernel, bias = solved[:-1].astype(np.float32), solved[-1].astype(np.float32)
    return Head(kernel, bias, names)


def _write_head(folder: Path, head: Head) -> None:
    assert len(head.kernel) == EMBEDDING_SIZE
    path = folder / SAVED_MODEL_FILE
    shutil.copyfile(GRAPH, path)
    path.write_bytes(ServableGraph(folder).with_head(head))


def _write_features(folder: Path, arrays: dict[str, Any]) -> None:
    np.savez(folder / FEATURES_NAME, **arrays)


def _write_card(folder: Path, name: str, classes: tuple[str, ...], more: dict[str, Any]) -> None:
    card = {
        "schema": 1,
        "name": name,
        "classes": classes,
        "description": "Ten everyday classes, learned from CIFAR-10 (Krizhevsky 2009).",
        "created": "2026-11-23T02:20:22+00:00",
        "base_version": None,
        "training_run": None,
        "input_side": SIDE,
        "embedding_size": EMBEDDING_SIZE,
        "preprocessing": "middle square, antialiased to 32x32, normalised per channel",
        "licence": "Apache-2.0",
        "metrics": {"accuracy": 0.91, "measured_images": 30, "measured_on": "test files"},
        "training": {},
        **more,
    }
    (folder / CARD_PATH).write_text(json.dumps(card, indent=2) + "\n")
