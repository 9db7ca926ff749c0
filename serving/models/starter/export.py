"""Turn trained weights into the starter model that lies in the project.

`python -m serving.models.starter.export TRAINED CIFAR10 [--photos PHOTOS]`

TRAINED is the folder that `train` wrote. The written model is measured as a
client would meet it: the JPEG files of CIFAR-10's test split go through its
`predict_images` signature, and the figures go into its model card.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.models.card import CARD_PATH, ModelCard
from serving.models.servable import write_servable
from serving.models.starter import network
from serving.models.starter.halved import halve, widen
from serving.models.starter.install import HALVED_NAME, RESOURCES, STARTER_MODEL
from serving.models.starter.train import jpegs

FEATURES_NAME = "features.npz"
REHEARSED_PER_CLASS = 60
"""Training images a class whose embeddings travel with the model, so that a
later training keeps what it knows without needing CIFAR-10."""
HELD_OUT_PER_CLASS = 100

PHOTO_CLASSES = {
    "airliner": "airplane",
    "sports_car": "automobile",
    "bald_eagle": "bird",
    "flamingo": "bird",
    "king_penguin": "bird",
    "tabby": "cat",
    "golden_retriever": "dog",
    "fire_engine": "truck",
}
"""Photos (the end of their file names) that show one of the starter's classes."""


class LoadedServable:
    """A version folder, loaded to be measured."""

    def __init__(self, folder: Path) -> None:
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        meta = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
        self._signatures = meta.signature_def

    def run(self, signature: str, images: Sequence[bytes]) -> Any:
        """Run one batch; returns the signature's outputs by name."""
        definition = self._signatures[signature]
        outputs = {name: info.name for name, info in definition.outputs.items()}
        return self._session.run(outputs, {definition.inputs["images"].name: list(images)})


def export(trained: Path, cifar: Path, photos: Path | None, out: Path) -> ModelCard:
    """Write the starter model from `trained` to `out`; returns its card."""
    training = json.loads((trained / "training.json").read_text())
    weights = dict(np.load(trained / "weights.npz"))
    classes = training["classes"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "1"
        folder.mkdir()
        write_servable(
            folder,
            side=network.INPUT_SIDE,
            embed=lambda pixels: network.embed(network.normalise(pixels), weights),
            head_kernel=weights["head/kernel"],
            head_bias=weights["head/bias"],
            classes=classes,
        )
        halved = halve((folder / "saved_model.pb").read_bytes())
        (folder / "saved_model.pb").write_bytes(widen(halved))
        (folder / "variables").mkdir()
        servable = LoadedServable(folder)
        files = {split: files_by_class(cifar, split) for split in ("train", "test")}
        metrics: dict[str, Any] = {
            "accuracy": _accuracy(servable, files["test"]),
            "measured_images": sum(len(images) for images in files["test"].values()),
            "measured_on": "CIFAR-10 test files",
        }
        if photos is not None:
            metrics["photos"] = photo_answers(servable, photos)
        _write_features(folder, servable, files, classes)
        card = ModelCard(
            name=STARTER_MODEL,
            classes=tuple(classes),
            description="Ten everyday classes, learned from CIFAR-10 (Krizhevsky 2009).",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            input_side=network.INPUT_SIDE,
            embedding_size=network.EMBEDDING_SIZE,
            preprocessing="middle square, antialiased to 32x32, normalised per channel",
            licence="Apache-2.0",
            metrics=metrics,
            training={
                "script": "serving.models.starter.train",
                "settings": training["settings"],
                "log": [
                    json.loads(line) for line in (trained / "training.log").read_text().splitlines()
                ],
            },
        )
        (folder / CARD_PATH).write_text(card.to_json())
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        (out / HALVED_NAME).write_bytes(halved)
        shutil.copytree(folder / "assets.extra", out / "assets.extra")
    return card


def files_by_class(cifar: Path, split: str) -> dict[str, list[bytes]]:
    """Read the JPEG files of one split (`train` or `test`), by class name."""
    files: dict[str, list[bytes]] = {}
    for name, data in jpegs(cifar):
        found, class_name = Path(name).parts[-3:-1]
        if found == split:
            files.setdefault(class_name, []).append(data)
    return files


def _batches(images: Sequence[bytes], size: int = 250) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _accuracy(servable: LoadedServable, files: Mapping[str, Sequence[bytes]]) -> float:
    right = 0
    for class_name, images in files.items():
        for batch in _batches(images):
            answers = servable.run("predict_images", batch)["classes"][:, 0]
            right += int(np.sum(answers == class_name.encode()))
    return right / sum(len(images) for images in files.values())


def photo_answers(servable: LoadedServable, photos: Path) -> dict[str, Any]:
    """Answer the photos that show one of the starter's classes; `photos` has labels.csv."""
    answers = {}
    with (photos / "labels.csv").open(newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    for name in names:
        wanted = PHOTO_CLASSES.get(Path(name).stem.split("_", 1)[1])
        if wanted is None:
            continue
        answer = servable.run("predict_images", [(photos / name).read_bytes()])
        answers[name] = {
            "shows": wanted,
            "answer": answer["classes"][0, 0].decode(),
            "score": round(float(answer["scores"][0, 0]), 3),
        }
    right = sum(entry["shows"] == entry["answer"] for entry in answers.values())
    return {"right": right, "images": len(answers), "answers": answers}


def _write_features(
    folder: Path,
    servable: LoadedServable,
    files: Mapping[str, Mapping[str, Sequence[bytes]]],
    classes: Sequence[str],
) -> None:
    arrays: dict[str, Any] = {}
    for key, split, count in (
        ("train", "train", REHEARSED_PER_CLASS),
        ("held_out", "test", HELD_OUT_PER_CLASS),
    ):
        embeddings = [
            servable.run("embed", files[split][name][:count])["embedding"] for name in classes
        ]
        arrays[f"{key}_embeddings"] = np.concatenate(embeddings).astype(np.float16)
        arrays[f"{key}_classes"] = np.repeat(np.arange(len(classes), dtype=np.int32), count)
    np.savez_compressed(folder / "assets.extra" / FEATURES_NAME, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description="Export the trained starter model.")
    parser.add_argument("trained", type=Path, help="the folder that the training wrote")
    parser.add_argument("cifar", type=Path, help="folder or archive of CIFAR-10 as JPEG files")
    parser.add_argument("--photos", type=Path, help="photos with labels.csv to measure on as well")
    parser.add_argument("--out", type=Path, default=RESOURCES)
    arguments = parser.parse_args()
    card = export(arguments.trained, arguments.cifar, arguments.photos, arguments.out)
    print(json.dumps(card.metrics, indent=2))


if __name__ == "__main__":
    main()
