"""The program that learns: it makes new versions.

`python -m backend.training.worker SPEC_FILE` makes one, then it ends; STAY and a folder in
place of the file it makes one for each line of its standard input, which names a spec file,
and keeps what the next run needs loaded. Reports on its standard output as
`worker_protocol.py` says; what libraries print goes to standard error. Ends by itself when
its standard input closes, which is when the backend has ended. It takes the processor only
after others.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from backend.contract import SkippedFile
from backend.training.embed_images import EmbeddedImages, embed_images, known_pool, read
from backend.training.evidence import Evidence
from backend.training.features import FEATURES_PATH, Rows
from backend.training.gather_evidence import Judged, gather
from backend.training.head import Floats, Head, ServableGraph, softmax
from backend.training.import_photos import ImportedPhotos, import_photos
from backend.training.label_regression import teach_by_regression
from backend.training.learned import LEARNED_PATH, Learned
from backend.training.loaded_version import LoadedVersion, check_loadable
from backend.training.low_priority import lower_priority
from backend.training.photo_answers import ANSWERS_PATH, write_answers
from backend.training.regression import sorted_rows
from backend.training.rehearsal import teach_with_rehearsal
from backend.training.selection import uses_pool
from backend.training.taught import Taught
from backend.training.warm_backbone import WarmBackbone
from backend.training.worker_protocol import (
    AHEAD_NAME,
    LOG_NAME,
    REPORT_PATH,
    STAY,
    LabeledImage,
    Message,
    StoredImage,
    TrainingFailure,
    TrainingProgress,
    TrainingResult,
    TrainingSpec,
    to_line,
)
from serving.clock import utc_now
from serving.errors import DISK_ERRORS, ModelError, ServeryError, storage_error, system_error
from serving.files import copy_tree
from serving.model_server.log_limit import limit_own_log
from serving.models.card import CARD_PATH, ModelCard
from serving.parent import EXIT_WITHOUT_PARENT, end_with_parent
from serving.private import set_private_umask
from serving.text.log_lines import log_lines
from serving.tf.names import SAVED_MODEL_FILE

TOLERANCE = 1e-3
"""How far the new version's scores may be from those that were computed here."""

_SAMPLE = 4
"""Photos on which the new version is checked."""
_READ = 0.2
"""The progress when all photos of a folder are read."""
_EMBEDDED = 0.8
"""The progress when all images are embedded, which is most of the work."""
_EVALUATED = 0.88

Send = Callable[[Message], None]


def learn(spec: TrainingSpec, send: Send, warm: WarmBackbone | None = None) -> TrainingResult:
    """Write the version that `spec` describes into its staging folder, and check it.

    `warm` has what an earlier run loaded. Raises ServeryError if there can be no version.
    """
    began = time.monotonic()
    warm = warm or WarmBackbone(keeps=False)
    # First, since the embeddings of all photos may be known, and its files are copied.
    check_loadable(Path(spec.base_folder))
    graph = ServableGraph(Path(spec.base_folder))
    base = graph.head()  # it is another one's once the version is written
    photos = _photos_to_learn(spec, base.classes, send)
    none = tuple(LabeledImage(image.image, image.path, "") for image in spec.none)
    embedded = _embed(spec, (*photos.images, *none), graph, send, warm)
    of_no_class = frozenset(image.image for image in none)
    rows = embedded.rows.where(image not in of_no_class for image in embedded.rows.images)
    outside = embedded.rows.where(image in of_no_class for image in embedded.rows.images)
    taught = _teach(spec, graph, photos.images, rows, outside.embeddings, embedded.pool, send)
    unreadable = [SkippedFile(image.path, "cannot be read") for image in embedded.unreadable]
    report = replace(
        taught.report, skipped=[*photos.skipped, *unreadable], notes=list(photos.notes)
    )

    send(TrainingProgress(0.9, "Writing the new version."))
    staged = Path(spec.staging_folder)
    _write_version(spec, staged, graph, replace(taught, report=report), began)

    send(TrainingProgress(0.93, "Checking the new version."))
    with warm.checked(staged, graph.backbone_hash(), Path(spec.base_folder)) as version:
        _check(version, taught, _sample(photos.images, rows))
    test_part = frozenset(image.image for image in photos.images if image.held_out)
    return TrainingResult(
        taught.evaluation,
        len(rows),
        len(unreadable),
        len(photos.skipped),
        _evidence(spec, base, graph.backbone_hash(), taught, rows, test_part),
    )


def embed_ahead(spec: TrainingSpec, warm: WarmBackbone) -> None:
    """Embed the images of `spec` that are new, so that a run that comes need not.

    Raises ServeryError if they cannot be embedded.
    """
    check_loadable(Path(spec.base_folder))
    graph = ServableGraph(Path(spec.base_folder))
    _embed(spec, spec.images, graph, lambda message: None, warm)


def _evidence(
    spec: TrainingSpec,
    base: Head,
    backbone: str,
    taught: Taught,
    rows: Rows,
    test_part: frozenset[str],
) -> Evidence | None:
    """Return what the gate judges the version by that was written into the staging folder."""
    base_folder, staged = Path(spec.base_folder), Path(spec.staging_folder)
    if _is_former(base_folder, base.kernel.shape[0]):
        return None
    return gather(
        Judged.read(base_folder, base),
        Judged.read(staged, taught.head),
        sorted_rows(rows),
        test_part,
        known_pool(spec, backbone, rows.embeddings.shape[1]),
    )


def _photos_to_learn(spec: TrainingSpec, known: tuple[str, ...], send: Send) -> ImportedPhotos:
    """Return every labelled image, those of an imported folder among them."""
    if not spec.import_folder:
        return ImportedPhotos(spec.images, (), ())
    send(TrainingProgress(0.01, "Looking through the folder."))

    def on_done(done: int, total: int) -> None:
        progress = 0.01 + (_READ - 0.01) * done / total
        send(TrainingProgress(progress, f"Read {done:,} of {_photos(total)}."))

    imported = import_photos(spec, send, on_done, known=known)
    images = {image.image: image for image in (*spec.images, *imported.images)}
    return replace(imported, images=tuple(images.values()))


def _embed(
    spec: TrainingSpec,
    images: tuple[LabeledImage, ...],
    graph: ServableGraph,
    send: Send,
    warm: WarmBackbone,
) -> EmbeddedImages:
    begin = _READ if spec.import_folder else 0.05

    def on_done(done: int, total: int) -> None:
        progress = begin + (_EMBEDDED - begin) * done / total
        step = f"Embedded {done:,} of {_photos(total)}." if done else f"Embedding {_photos(total)}."
        send(TrainingProgress(progress, step))

    base, base_folder = graph.head(), Path(spec.base_folder)
    size = base.kernel.shape[0]
    pool: tuple[StoredImage, ...] = ()
    if not _is_former(base_folder, size):
        size //= 2
        labels = [image.class_name for image in images if image.class_name]
        foundation = Learned.read(base_folder, base).foundation
        if uses_pool(foundation, len(labels), len(set(labels))):
            pool = spec.unlabelled
    return embed_images(spec, images, pool, graph.backbone_hash(), size, on_done, warm)


def _teach(
    spec: TrainingSpec,
    graph: ServableGraph,
    images: tuple[LabeledImage, ...],
    rows: Rows,
    none: Floats,
    pool: Floats,
    send: Send,
) -> Taught:
    base, base_folder = graph.head(), Path(spec.base_folder)
    test_part = frozenset(image.image for image in images if image.held_out)
    send(TrainingProgress(_EMBEDDED, f"Learning from {_photos(len(rows))}."))

    def on_part(number: int, count: int) -> None:
        progress = _EMBEDDED + (_EVALUATED - _EMBEDDED) * (number - 1) / count
        step = f"Measuring the accuracy, part {number} of {count}."
        send(TrainingProgress(progress, step))

    if _is_former(base_folder, base.kernel.shape[0]):
        ever = frozenset((*spec.images_ever_labeled, *(image.image for image in images)))
        return teach_with_rehearsal(base_folder, base, rows, test_part, ever)
    return teach_by_regression(base_folder, base, rows, test_part, pool, on_part, none)


def _is_former(base_folder: Path, kernel_rows: int) -> bool:
    """Say whether the base version is of an older Servery, and goes on learning as then."""
    size = ModelCard.read(base_folder).embedding_size
    return (base_folder / FEATURES_PATH).is_file() or size == kernel_rows


def _write_version(
    spec: TrainingSpec, staged: Path, graph: ServableGraph, taught: Taught, began: float
) -> None:
    base_folder = Path(spec.base_folder)
    replaced = {
        SAVED_MODEL_FILE,
        *(
            path.name
            for path in (CARD_PATH, FEATURES_PATH, LEARNED_PATH, REPORT_PATH, ANSWERS_PATH)
        ),
    }
    copy_tree(
        base_folder, staged, may_exist=True, ignore=lambda _folder, names: replaced & set(names)
    )
    (staged / SAVED_MODEL_FILE).write_bytes(graph.with_taught(taught.head, taught.familiarity))
    taught.write(staged)
    (staged / REPORT_PATH).write_text(json.dumps(asdict(taught.report)))
    answers = taught.measured
    write_answers(staged, answers.images, answers.labels, answers.answered, answers.scores.tolist())
    evaluation, certainty = taught.evaluation, taught.report.certainty
    metrics: dict[str, Any] = {
        "accuracy": evaluation.accuracy,
        "accuracy_error": evaluation.accuracy_error,
        "measured_images": evaluation.images,
        "measured_on": taught.measured_on,
        "base_accuracy": evaluation.base_accuracy,
        "old_classes_accuracy": evaluation.old_accuracy,
        "old_classes_base_accuracy": evaluation.old_base_accuracy,
    }
    if certainty is not None:
        metrics["certainty"] = asdict(certainty)
    card = replace(
        ModelCard.read(base_folder),
        classes=taught.head.classes,
        created=utc_now(),
        base_version=spec.base_version,
        training_run=spec.run_id,
        metrics=metrics,
        training={
            "method": taught.method,
            "labelled_images": taught.learned_images,
            "seconds": round(time.monotonic() - began, 1),
        },
    )
    (staged / CARD_PATH).write_text(card.to_json())


def _check(version: LoadedVersion, taught: Taught, sample: list[tuple[bytes, Floats]]) -> None:
    """Compare the version's answers with what it was taught; raises ModelError if they differ."""
    head = taught.head
    if not sample or not head.classes:
        return
    images, embeddings = [data for data, _ in sample], np.stack([found for _, found in sample])
    answers = version.answers(images)
    logits = head.logits(embeddings)
    for names, row, expected_row in zip(
        answers.classes, answers.scores, softmax(logits), strict=True
    ):
        by_name = dict(zip(head.classes, expected_row, strict=True))
        for name, score in zip(names, row, strict=True):
            if abs(by_name.get(name.decode(), -1.0) - score) > TOLERANCE:
                raise _not_as_taught()
    if taught.familiarity is not None:
        expected = taught.familiarity.of(embeddings, logits)
        found = answers.familiarity
        if found is None or not np.allclose(found, expected, rtol=0, atol=TOLERANCE):
            raise _not_as_taught()


def _not_as_taught() -> ModelError:
    return ModelError(
        "The new version does not answer as it was taught.",
        "Train again; report it if it comes back.",
    )


def _sample(images: tuple[LabeledImage, ...], rows: Rows) -> list[tuple[bytes, Floats]]:
    """Return the last images that can still be read, with what the backbone saw in them.

    The embedding of one that was damaged since is known all the same.
    """
    paths = {image.image: image for image in images}
    newest = zip(reversed(rows.images), rows.embeddings[::-1], strict=True)
    files = ((read(paths[image]), embedding) for image, embedding in newest)
    readable = ((data, embedding) for data, embedding in files if data is not None)
    return list(itertools.islice(readable, _SAMPLE))


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"


def _refused(error: Exception, spec_file: str) -> TrainingFailure:
    """Return the failure for what the system refused; raises `error` if it is another one."""
    failure = system_error(error)
    if isinstance(error, OSError) and (error.errno in DISK_ERRORS or failure is None):
        # What failed to write has no name, other than what failed to open.
        path = Path(str(error.filename or Path(spec_file).parent))
        what = "The training run could not write its files"
        if error.filename:
            what = f"The file {path} could not be written or read"
        failure = storage_error(error, path, what, ServeryError)
    if failure is None:
        raise error
    return TrainingFailure(failure.what, f"{failure.advice} What was computed is kept.")


def main() -> int:
    set_private_umask()
    log_lines("%(asctime)s %(levelname)s %(name)s %(message)s")
    lower_priority()
    argument = sys.argv[1]
    # TensorFlow's C code prints to descriptor 1 too: keep a copy of it for the messages alone.
    # Never closed, so that its end says to the parent that this process has ended: the parent may
    # close the standard input then.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8", closefd=False)
    os.dup2(2, 1)

    def send(message: Message) -> None:
        messages.write(to_line(message))
        messages.flush()

    if argument == STAY:
        _carry_out_all(send)
    run_folder = Path(argument).resolve().parent
    limit_own_log(lambda log: log.parent == run_folder)
    end_with_parent(0, lambda: os._exit(EXIT_WITHOUT_PARENT))
    return _carry_out(argument, send, WarmBackbone(keeps=False))


def _carry_out_all(send: Send) -> NoReturn:
    """Carry out one training run after the other, whose spec files are lines of standard input.

    Each logs into the folder of its spec file.
    """
    spec_files: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read_lines() -> None:
        for line in sys.stdin.buffer:
            spec_files.put(str(json.loads(line)))
        # The backend needs this process no more, or is gone; what a run has staged is its own.
        os._exit(0)

    threading.Thread(target=read_lines, name="spec files", daemon=True).start()
    warm = WarmBackbone(keeps=True)
    while True:
        spec_file = spec_files.get()
        run_folder = Path(spec_file).resolve().parent
        log = os.open(run_folder / LOG_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        limit_own_log(lambda path, own=run_folder: path.parent == own)  # type: ignore[misc]
        # What is embedded ahead has no run that could fail.
        ahead = Path(spec_file).name == AHEAD_NAME
        _carry_out(spec_file, (lambda message: None) if ahead else send, warm)


def _carry_out(spec_file: str, send: Send, warm: WarmBackbone) -> int:
    """Carry out one spec file, and return the exit code that says how that ended."""
    try:
        spec = TrainingSpec.read(Path(spec_file))
        if spec.only_embeds:
            embed_ahead(spec, warm)
        else:
            send(learn(spec, send, warm))
    except ServeryError as error:
        send(TrainingFailure(error.what, error.advice))
        return 1
    except (OSError, MemoryError, RuntimeError) as error:
        send(_refused(error, spec_file))
        return 1
    return 0


if __name__ == "__main__":
    exit_code = main()
    # TensorFlow takes about a second to free what the operating system frees anyway.
    with contextlib.suppress(OSError):  # the log may be on a full disk
        sys.stderr.flush()
    os._exit(exit_code)
