"""The program that learns: it makes one new version, then it ends.

`python -m backend.training.worker SPEC_FILE`. Reports on its standard output as
`worker_protocol.py` says; what libraries print goes to standard error. Ends by
itself when its standard input closes, which is when the backend has ended.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.training.embeddings import EmbeddingCache
from backend.training.features import FEATURES_PATH, Features, Rows
from backend.training.fit import fit_head
from backend.training.head import Floats, Head, ServableGraph, softmax
from backend.training.loaded_version import LoadedVersion
from backend.training.worker_protocol import (
    Evaluation,
    LabeledImage,
    Message,
    TrainingFailure,
    TrainingProgress,
    TrainingResult,
    TrainingSpec,
    to_line,
)
from serving.clock import utc_now
from serving.errors import ModelError, ServeryError
from serving.models.card import CARD_PATH, ModelCard
from serving.tf.names import SAVED_MODEL_FILE

BATCH = 16
TOLERANCE = 1e-3
"""How far the new version's scores may be from those that were computed here."""

Send = Callable[[Message], None]


def learn(spec: TrainingSpec, send: Send) -> TrainingResult:
    """Write the version that `spec` describes into its staging folder, and check it.

    Raises ServeryError if there can be none.
    """
    base_folder = Path(spec.base_folder)
    graph = ServableGraph(base_folder)
    base = graph.head()
    before = Features.read(base_folder, base)
    labeled, unreadable = _labeled_rows(spec, graph, send)

    send(TrainingProgress(0.6, f"Learning from {_photos(len(labeled))}."))
    after = before.relabeled(labeled, frozenset(spec.images_ever_labeled))
    head = fit_head(after.foundation, after.train, after.classes())
    evaluation = evaluate(base, head, after.held_out)

    send(TrainingProgress(0.8, "Writing the new version."))
    staged = Path(spec.staging_folder)
    _write_version(spec, staged, graph, head, after, evaluation)

    send(TrainingProgress(0.9, "Checking the new version."))
    _check(staged, head, _sample(spec, labeled))
    return TrainingResult(evaluation, len(labeled), unreadable)


def evaluate(base: Head, head: Head, held_out: Rows) -> Evaluation:
    """Count right answers of both heads on the held-out rows.

    A row whose class the base cannot answer with is wrong for the base.
    """
    truth = np.array(held_out.classes, object)
    old = np.array([name in base.classes for name in held_out.classes], bool)
    right = _answers(head, held_out.embeddings) == truth
    base_right = _answers(base, held_out.embeddings) == truth
    return Evaluation(
        images=len(held_out),
        accuracy=_share(right),
        base_accuracy=_share(base_right),
        old_images=int(old.sum()),
        old_accuracy=_share(right[old]),
        old_base_accuracy=_share(base_right[old]),
    )


def _labeled_rows(spec: TrainingSpec, graph: ServableGraph, send: Send) -> tuple[Rows, int]:
    """Return a row for each labelled image, and how many images could not be read."""
    cache = EmbeddingCache(Path(spec.embeddings_folder), graph.backbone_hash())
    missing = [image for image in spec.images if cache.get(image.image) is None]
    if missing:
        send(TrainingProgress(0.1, f"Embedding {_photos(len(missing))}."))
        with LoadedVersion(Path(spec.base_folder)) as version:
            cache.add(_embed(version, missing, send))
    found = [(image, cache.get(image.image)) for image in spec.images]
    known = [(image, embedding) for image, embedding in found if embedding is not None]
    if spec.images and not known:
        raise ModelError(
            "None of the labelled photos can be read any more.",
            "Label some photos again, then train.",
        )
    width = graph.head().kernel.shape[0]
    embeddings = np.array([embedding for _, embedding in known], np.float32).reshape(-1, width)
    rows = Rows(
        embeddings,
        tuple(image.class_name for image, _ in known),
        tuple(image.image for image, _ in known),
    )
    return rows, len(found) - len(known)


def _embed(version: LoadedVersion, images: list[LabeledImage], send: Send) -> dict[str, Floats]:
    embeddings: dict[str, Floats] = {}
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        files = {image.image: data for image in batch if (data := _read(image)) is not None}
        if files:
            rows = version.embed(list(files.values()))
            embeddings.update(zip(files, rows, strict=True))
        done = start + len(batch)
        progress = 0.1 + 0.5 * done / len(images)
        send(TrainingProgress(progress, f"Embedded {done} of {_photos(len(images))}."))
    return embeddings


def _read(image: LabeledImage) -> bytes | None:
    try:
        return Path(image.path).read_bytes()
    except OSError:
        return None


def _write_version(
    spec: TrainingSpec,
    staged: Path,
    graph: ServableGraph,
    head: Head,
    features: Features,
    evaluation: Evaluation,
) -> None:
    base_folder = Path(spec.base_folder)
    replaced = {SAVED_MODEL_FILE, CARD_PATH.name, FEATURES_PATH.name}
    shutil.copytree(
        base_folder, staged, dirs_exist_ok=True, ignore=lambda _folder, names: replaced & set(names)
    )
    (staged / SAVED_MODEL_FILE).write_bytes(graph.with_head(head))
    features.write(staged, head.classes)
    labeled = sum(map(bool, features.held_out.images))
    metrics = {
        "accuracy": evaluation.accuracy,
        "measured_images": evaluation.images,
        "measured_on": (
            f"{evaluation.images - labeled} held-out images of the classes it began with"
            f" and {labeled} held-out labelled photos"
        ),
        "base_accuracy": evaluation.base_accuracy,
        "old_classes_accuracy": evaluation.old_accuracy,
        "old_classes_base_accuracy": evaluation.old_base_accuracy,
    }
    card = replace(
        ModelCard.read(base_folder),
        classes=head.classes,
        created=utc_now(),
        base_version=spec.base_version,
        training_run=spec.run_id,
        metrics=metrics,
        training={
            "method": "head fitted to embeddings",
            "labelled_images": sum(map(bool, features.train.images)),
            "seconds": round(time.monotonic() - _STARTED, 1),
        },
    )
    (staged / CARD_PATH).write_text(card.to_json())


def _check(staged: Path, head: Head, sample: list[tuple[bytes, Floats]]) -> None:
    """Load the version and compare its answers with the head's own.

    Raises ModelError if they differ.
    """
    with LoadedVersion(staged) as version:
        if not sample:
            return
        classes, scores = version.predict([data for data, _ in sample])
        expected = softmax(head.logits(np.stack([embedding for _, embedding in sample])))
        for names, row, expected_row in zip(classes, scores, expected, strict=True):
            by_name = dict(zip(head.classes, expected_row, strict=True))
            for name, score in zip(names, row, strict=True):
                if abs(by_name.get(name.decode(), -1.0) - score) > TOLERANCE:
                    raise ModelError(
                        "The new version does not answer as it was taught.",
                        "Train again; report it if it comes back.",
                    )


def _sample(spec: TrainingSpec, labeled: Rows) -> list[tuple[bytes, Floats]]:
    paths = {image.image: image for image in spec.images}
    last = zip(labeled.images[-4:], labeled.embeddings[-4:], strict=True)
    read = ((_read(paths[image]), embedding) for image, embedding in last)
    return [(data, embedding) for data, embedding in read if data is not None]


def _answers(head: Head, embeddings: Floats) -> Any:
    return np.array(head.classes, object)[head.logits(embeddings).argmax(axis=1)]


def _share(flags: Any) -> float | None:
    return float(np.mean(flags)) if len(flags) else None


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"


_STARTED = time.monotonic()


def _exit_with_the_backend() -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    (spec_file,) = sys.argv[1:]
    # TensorFlow's C code prints to descriptor 1 too: keep a copy of it for the messages alone.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _exit_with_the_backend()

    def send(message: Message) -> None:
        messages.write(to_line(message))
        messages.flush()

    try:
        send(learn(TrainingSpec.read(Path(spec_file)), send))
    except ServeryError as error:
        send(TrainingFailure(error.what, error.advice))
        return 1
    return 0


if __name__ == "__main__":
    exit_code = main()
    # TensorFlow takes about a second to free what the operating system frees anyway.
    sys.stderr.flush()
    os._exit(exit_code)
