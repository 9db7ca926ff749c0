"""What a training run does: it learns from labels, and writes a version and checks it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.contract import SkippedFile
from backend.training.embed_images import EmbeddedImages, embed_images, known_pool, read
from backend.training.evidence import Evidence
from backend.training.features import FEATURES_PATH, Rows
from backend.training.fine_tuning.tuned_network import (
    TUNED_PATH,
    EmbeddingNetwork,
    TunedNetwork,
    put_network,
)
from backend.training.gather_evidence import Judged, Photos, gather
from backend.training.head import Floats, Head, ServableGraph, softmax
from backend.training.import_photos import ImportedPhotos, import_photos
from backend.training.label_regression import teach_by_regression
from backend.training.learned import LEARNED_PATH, Learned
from backend.training.loaded_version import LoadedVersion, check_loadable
from backend.training.photo_answers import ANSWERS_PATH, write_answers
from backend.training.prototypes import EMBEDDING_MEAN_PATH, read_embedding_mean
from backend.training.regression import sorted_rows
from backend.training.rehearsal import teach_with_rehearsal
from backend.training.replay import replay_of
from backend.training.selection import uses_pool
from backend.training.trained_head import TrainedHead
from backend.training.warm_backbone import WarmBackbone
from backend.training.worker_protocol import (
    REPORT_PATH,
    LabeledImage,
    Message,
    StoredImage,
    TrainingProgress,
    TrainingResult,
    TrainingSpec,
)
from serving.clock import utc_now
from serving.errors import ModelError
from serving.files import copy_tree
from serving.models.card import CARD_PATH, ModelCard
from serving.models.choose_runtime import record_runtime
from serving.tf.names import SAVED_MODEL_FILE, WARM_UP_EMBEDDING_FILE
from serving.tf.runtime_choice import F32

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
    base_folder, staged = Path(spec.base_folder), Path(spec.staging_folder)
    graph = ServableGraph(base_folder)
    base = graph.head()  # it is another one's once the version is written
    network = _network(base_folder, graph)
    photos = _photos_to_learn(spec, base.classes, send)
    none = tuple(LabeledImage(image.image, image.path, "") for image in spec.none)
    embedded = live = _embed(spec, (*photos.images, *none), network, base, send, warm)
    tuned = TunedNetwork.read(Path(spec.tuned_file)) if spec.tuned_file else None
    if tuned is not None:
        network = _put_network(graph, tuned, staged, base_folder)
        embedded = _embed(spec, (*photos.images, *none), network, base, send, warm)
    of_no_class = frozenset(image.image for image in none)
    # A photo that was damaged meanwhile may be known to one of the networks alone.
    both = frozenset(embedded.rows.images).intersection(live.rows.images) - of_no_class
    rows = _only(embedded.rows, both)
    outside = _only(embedded.rows, of_no_class)
    seen_by_base = None if tuned is None else _only(live.rows, both)
    taught = _teach(
        spec, base, photos.images, rows, outside.embeddings, embedded.pool, send, seen_by_base
    )
    unreadable = [SkippedFile(image.path, "cannot be read") for image in embedded.unreadable]
    report = replace(
        taught.report, skipped=[*photos.skipped, *unreadable], notes=list(photos.notes)
    )

    send(TrainingProgress(0.9, "Writing the new version."))
    _write_version(spec, staged, graph, replace(taught, report=report), began, tuned)

    send(TrainingProgress(0.93, "Checking the new version."))
    test_part = frozenset(image.image for image in photos.images if image.held_out)
    # Beside each other: TensorFlow loads the version without Python's lock.
    with ThreadPoolExecutor(1) as beside:
        evidence = beside.submit(
            _evidence, spec, base, taught, rows, test_part, network, seen_by_base
        )
        with warm.checked(staged, network.backbone, base_folder) as version:
            sample = _sample(photos.images, rows, network)
            _check(version, taught, sample)
    if tuned is not None or ModelCard.read(staged).precision not in ("", F32):
        # Another network, or another head behind a network that is computed less exactly.
        record_runtime(staged, [data for data, _ in sample], has_known_network=tuned is None)
    return TrainingResult(
        taught.evaluation, len(rows), len(unreadable), len(photos.skipped), evidence.result()
    )


def _network(folder: Path, graph: ServableGraph) -> EmbeddingNetwork:
    head = graph.head()
    rows = len(head.kernel)
    return EmbeddingNetwork.of(folder, graph, rows if _is_former(folder, rows) else rows // 2)


def _put_network(
    graph: ServableGraph, tuned: TunedNetwork, staged: Path, base_folder: Path
) -> EmbeddingNetwork:
    """Give the graph the tuned network, and write it so that photos can be embedded with it."""
    live = _network(base_folder, graph)
    put_network(graph, tuned)
    (staged / SAVED_MODEL_FILE).write_bytes(graph.with_head(graph.head()))
    return EmbeddingNetwork(staged, graph.backbone_hash(), live.size, tuned.embeddings, base_folder)


def _only(rows: Rows, images: frozenset[str]) -> Rows:
    return rows.where(image in images for image in rows.images)


def embed_ahead(
    spec: TrainingSpec, warm: WarmBackbone, should_continue: Callable[[], bool] = lambda: True
) -> None:
    """Embed the images of `spec` that are new, so that a run that comes need not.

    What it learns beside them depends on the base version alone, and is computed, too. Once
    `should_continue` says no, the rest is left to that run, which says how far it is.

    Raises ServeryError if none can be embedded.
    """
    base_folder = Path(spec.base_folder)
    check_loadable(base_folder)
    graph = ServableGraph(base_folder)
    base, network = graph.head(), _network(base_folder, graph)
    embedded = _embed(spec, spec.images, network, base, lambda message: None, warm, should_continue)
    if not _is_former(base_folder, base.kernel.shape[0]):
        _prepare_replay(spec, base, embedded.rows.embeddings)


def _prepare_replay(spec: TrainingSpec, base: Head, embeddings: Floats) -> None:
    """Have ready what is learned beside labels, from a file if an earlier process wrote it."""
    base_folder = Path(spec.base_folder)
    # Without a mean embedding of its own, it takes that of the photos that a run learns from.
    if (base_folder / EMBEDDING_MEAN_PATH).is_file():
        foundation = Learned.read(base_folder, base).foundation
        if foundation.classes:
            mean = read_embedding_mean(base_folder, embeddings)
            replay_of(foundation, mean, Path(spec.embeddings_folder))


def _evidence(
    spec: TrainingSpec,
    base: Head,
    taught: TrainedHead,
    rows: Rows,
    test_part: frozenset[str],
    network: EmbeddingNetwork,
    seen_by_base: Rows | None,
) -> Evidence | None:
    """Return what the gate judges the version by that was written into the staging folder."""
    base_folder, staged = Path(spec.base_folder), Path(spec.staging_folder)
    if _is_former(base_folder, base.kernel.shape[0]):
        return None
    judged = Judged.read(base_folder, base), Judged.read(staged, taught.head)
    if seen_by_base is None:
        (pool,) = known_pool(spec, network)
        return gather(*judged, Photos(sorted_rows(rows), pool), test_part)
    before = _network(base_folder, ServableGraph(base_folder))
    pool, live_pool = known_pool(spec, network, before)
    live = Photos(sorted_rows(seen_by_base), live_pool)
    return gather(*judged, Photos(sorted_rows(rows), pool), test_part, live)


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
    network: EmbeddingNetwork,
    base: Head,
    send: Send,
    warm: WarmBackbone,
    should_continue: Callable[[], bool] = lambda: True,
) -> EmbeddedImages:
    begin = _READ if spec.import_folder else 0.05

    def on_done(done: int, total: int) -> None:
        progress = begin + (_EMBEDDED - begin) * done / total
        step = f"Embedded {done:,} of {_photos(total)}." if done else f"Embedding {_photos(total)}."
        send(TrainingProgress(progress, step))

    base_folder = Path(spec.base_folder)
    pool: tuple[StoredImage, ...] = ()
    if not _is_former(base_folder, len(base.kernel)):
        labels = [image.class_name for image in images if image.class_name]
        foundation = Learned.read(base_folder, base).foundation
        # Both networks are asked about some of the pool, whether it teaches or not.
        if spec.tuned_file or uses_pool(foundation, len(labels), len(set(labels))):
            pool = spec.unlabelled
    return embed_images(spec, images, pool, network, on_done, warm, should_continue)


def _teach(
    spec: TrainingSpec,
    base: Head,
    images: tuple[LabeledImage, ...],
    rows: Rows,
    none: Floats,
    pool: Floats,
    send: Send,
    seen_by_base: Rows | None,
) -> TrainedHead:
    base_folder = Path(spec.base_folder)
    test_part = frozenset(image.image for image in images if image.held_out)
    send(TrainingProgress(_EMBEDDED, f"Learning from {_photos(len(rows))}."))

    def on_part(number: int, count: int) -> None:
        progress = _EMBEDDED + (_EVALUATED - _EMBEDDED) * (number - 1) / count
        step = f"Measuring the accuracy, part {number} of {count}."
        send(TrainingProgress(progress, step))

    if _is_former(base_folder, base.kernel.shape[0]):
        ever = frozenset((*spec.images_ever_labeled, *(image.image for image in images)))
        return teach_with_rehearsal(base_folder, base, rows, test_part, ever)
    _prepare_replay(spec, base, rows.embeddings)
    return teach_by_regression(
        base_folder, base, rows, test_part, pool, on_part, none, seen_by_base
    )


def _is_former(base_folder: Path, kernel_rows: int) -> bool:
    """Say whether the base version is of an older Servery, and goes on learning as then."""
    size = ModelCard.read(base_folder).embedding_size
    return (base_folder / FEATURES_PATH).is_file() or size == kernel_rows


def _write_version(
    spec: TrainingSpec,
    staged: Path,
    graph: ServableGraph,
    taught: TrainedHead,
    began: float,
    tuned: TunedNetwork | None,
) -> None:
    base_folder = Path(spec.base_folder)
    replaced = {
        SAVED_MODEL_FILE,
        *(
            path.name
            for path in (CARD_PATH, FEATURES_PATH, LEARNED_PATH, REPORT_PATH, ANSWERS_PATH)
        ),
    }
    if tuned is not None:
        replaced |= {TUNED_PATH.name, EMBEDDING_MEAN_PATH.name, WARM_UP_EMBEDDING_FILE.name}
    copy_tree(
        base_folder, staged, may_exist=True, ignore=lambda _folder, names: replaced & set(names)
    )
    graph.write(staged, graph.with_taught(taught.head, taught.familiarity))
    taught.write(staged)
    if tuned is not None:
        # The graph has the weights.
        replace(tuned, weights={}).write(staged / TUNED_PATH)
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
    before = ModelCard.read(base_folder)
    card = replace(
        before,
        fine_tuned_in=spec.run_id if tuned is not None else before.fine_tuned_in,
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


def _check(
    version: LoadedVersion, taught: TrainedHead, sample: list[tuple[bytes, Floats | None]]
) -> None:
    """Compare the version's answers with what it was taught; raises ModelError if they differ."""
    head = taught.head
    if not sample or not head.classes:
        return
    known = [found for _, found in sample if found is not None]
    if len(known) == len(sample):
        # The network is the base version's, byte for byte: only what was taught can be wrong. A
        # photo would go through all of it, which takes longer than all else that is done here.
        embeddings = np.stack(known)
        answers = version.answers_to(embeddings)
    else:
        images = [data for data, _ in sample]
        embeddings, answers = version.embed(images), version.answers(images)
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
        tolerance = TOLERANCE + taught.familiarity.rounding
        if found is None or not np.allclose(found, expected, rtol=0, atol=tolerance):
            raise _not_as_taught()


def _not_as_taught() -> ModelError:
    return ModelError(
        "The new version does not answer as it was taught.",
        "Train again; report it if it comes back.",
    )


def _sample(
    images: tuple[LabeledImage, ...], rows: Rows, network: EmbeddingNetwork
) -> list[tuple[bytes, Floats | None]]:
    """Return the last images that can still be read, with what the network sees in them.

    The embedding of one that was damaged since is known all the same. That of one from which the
    network itself learned is not: what stands in for it is another network's.
    """
    paths = {image.image: image for image in images}
    newest = zip(reversed(rows.images), rows.embeddings[::-1], strict=True)
    files = (
        (read(paths[image]), None if image in network.fair else embedding)
        for image, embedding in newest
    )
    readable = ((data, embedding) for data, embedding in files if data is not None)
    return list(itertools.islice(readable, _SAMPLE))


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"
