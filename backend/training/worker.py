"""The program that learns: one job, one new version, then it ends.

`python -m backend.training.worker JOB_FILE`. Reports on its standard output in
the form of `job.py`; whatever libraries print goes to standard error. Ends by
itself when its standard input closes, which is when the backend is gone.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.clock import utc_now
from backend.training.embeddings import EmbeddingCache
from backend.training.features import FEATURES_PATH, Features, Rows
from backend.training.fit import fit_head
from backend.training.head import Floats, Head, ServableGraph, softmax
from backend.training.job import (
    Failure,
    Job,
    LabelledImage,
    Measured,
    Message,
    Progress,
    Result,
    to_line,
)
from backend.training.loaded import LoadedVersion
from serving.errors import ModelError, ServeryError
from serving.models.card import CARD_PATH, ModelCard

BATCH = 16
TOLERANCE = 1e-3
"""How far the finished version's scores may be from those that were computed here."""

Say = Callable[[Message], None]


def learn(job: Job, say: Say) -> Result:
    """Write the version that `job` asks for into its staging folder, and check it.

    Raises ServeryError where no version can come of it.
    """
    base_folder = Path(job.base_folder)
    graph = ServableGraph(base_folder)
    base = graph.head()
    before = Features.read(base_folder, base)
    labelled, unreadable = _labelled_rows(job, graph, say)

    say(Progress(0.6, f"Learning from {_photos(len(labelled))}."))
    after = before.relabelled(labelled, frozenset(job.images_ever_labelled))
    head = fit_head(after.foundation, after.train, after.classes())
    measured = measure(base, head, after.held_out)

    say(Progress(0.8, "Writing the new version."))
    staged = Path(job.staging_folder)
    _write_version(job, staged, graph, head, after, measured)

    say(Progress(0.9, "Checking the new version."))
    _check(staged, head, _sample(job, labelled))
    return Result(measured, len(labelled), unreadable)


def measure(base: Head, head: Head, held_out: Rows) -> Measured:
    """Count right answers of both heads on the held-out rows.

    A row whose class the base cannot answer with is wrong for the base.
    """
    truth = np.array(held_out.classes, object)
    old = np.array([name in base.classes for name in held_out.classes], bool)
    right = _answers(head, held_out.embeddings) == truth
    base_right = _answers(base, held_out.embeddings) == truth
    return Measured(
        images=len(held_out),
        accuracy=_share(right),
        base_accuracy=_share(base_right),
        old_images=int(old.sum()),
        old_accuracy=_share(right[old]),
        old_base_accuracy=_share(base_right[old]),
    )


def _labelled_rows(job: Job, graph: ServableGraph, say: Say) -> tuple[Rows, int]:
    """Return a row for each labelled image, and how many images could not be read."""
    cache = EmbeddingCache(Path(job.embeddings_folder), graph.backbone_hash())
    missing = [image for image in job.images if cache.get(image.image) is None]
    if missing:
        say(Progress(0.1, f"Looking at {_photos(len(missing))}."))
        with LoadedVersion(Path(job.base_folder)) as version:
            cache.keep(_embed(version, missing, say))
    found = [(image, cache.get(image.image)) for image in job.images]
    known = [(image, embedding) for image, embedding in found if embedding is not None]
    if job.images and not known:
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


def _embed(version: LoadedVersion, images: list[LabelledImage], say: Say) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for start in range(0, len(images), BATCH):
        batch = [(image, _read(image)) for image in images[start : start + BATCH]]
        readable = [(image, data) for image, data in batch if data is not None]
        if readable:
            answer = version.embed([data for _, data in readable])
            found.update(
                (image.image, row) for (image, _), row in zip(readable, answer, strict=True)
            )
        done = start + len(batch)
        say(
            Progress(
                0.1 + 0.5 * done / len(images),
                f"Looked at {done} of {_photos(len(images))}.",
            )
        )
    return found


def _read(image: LabelledImage) -> bytes | None:
    try:
        return Path(image.path).read_bytes()
    except OSError:
        return None


def _write_version(
    job: Job,
    staged: Path,
    graph: ServableGraph,
    head: Head,
    features: Features,
    measured: Measured,
) -> None:
    base_folder = Path(job.base_folder)
    replaced = {"saved_model.pb", CARD_PATH.name, FEATURES_PATH.name}
    shutil.copytree(
        base_folder, staged, dirs_exist_ok=True, ignore=lambda _folder, names: replaced & set(names)
    )
    (staged / "saved_model.pb").write_bytes(graph.with_head(head))
    features.write(staged, head.classes)
    labelled = sum(map(bool, features.held_out.images))
    metrics = {
        "accuracy": measured.accuracy,
        "measured_images": measured.images,
        "measured_on": (
            f"{measured.images - labelled} held-out images of the classes it began with"
            f" and {labelled} held-out labelled photos"
        ),
        "base_accuracy": measured.base_accuracy,
        "old_classes_accuracy": measured.old_accuracy,
        "old_classes_base_accuracy": measured.old_base_accuracy,
    }
    card = replace(
        ModelCard.read(base_folder),
        classes=head.classes,
        created=utc_now(),
        base_version=job.base_version,
        training_run=job.run_id,
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

    Raises ModelError where they differ.
    """
    with LoadedVersion(staged) as version:
        if not sample:
            return
        classes, scores = version.predict([data for data, _ in sample])
        expected = softmax(head.logits(np.stack([embedding for _, embedding in sample])))
        for names, given, wanted in zip(classes, scores, expected, strict=True):
            by_name = dict(zip(head.classes, wanted, strict=True))
            for name, score in zip(names, given, strict=True):
                if abs(by_name.get(name.decode(), -1.0) - score) > TOLERANCE:
                    raise ModelError(
                        "The new version does not answer as it was taught.",
                        "Train again; report it if it comes back.",
                    )


def _sample(job: Job, labelled: Rows) -> list[tuple[bytes, Floats]]:
    paths = {image.image: image for image in job.images}
    chosen = zip(labelled.images[-4:], labelled.embeddings[-4:], strict=True)
    read = ((_read(paths[image]), embedding) for image, embedding in chosen)
    return [(data, embedding) for data, embedding in read if data is not None]


def _answers(head: Head, embeddings: Floats) -> Any:
    return np.array(head.classes, object)[head.logits(embeddings).argmax(axis=1)]


def _share(flags: Any) -> float | None:
    return float(np.mean(flags)) if len(flags) else None


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"


_STARTED = time.monotonic()


def _end_with_the_backend() -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: Iterable[str] | None = None) -> int:
    (job_file,) = sys.argv[1:] if arguments is None else arguments
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _end_with_the_backend()

    def say(message: Message) -> None:
        messages.write(to_line(message))
        messages.flush()

    try:
        say(learn(Job.read(Path(job_file)), say))
    except ServeryError as error:
        say(Failure(error.what, error.advice))
        return 1
    return 0


if __name__ == "__main__":
    exit_code = main()
    # TensorFlow takes about a second to tidy up what the system tidies up anyway.
    sys.stderr.flush()
    os._exit(exit_code)
