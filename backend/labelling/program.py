"""The program that finds out what is worth labelling; it keeps the backend free to answer.

`python -m backend.labelling.program` is a `serving.job_program`: it takes a LabellingSpec and
answers with a LabellingAnswer. It runs at low priority.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backend.contract import Cluster, QueueItem, QueueReason
from backend.labelling.issues import find_issues
from backend.labelling.judgement import Judgement, judge
from backend.labelling.labelling_protocol import LabellingAnswer, LabellingSpec, Topic
from backend.labelling.look_alikes import look_alikes
from backend.labelling.photo_quality import Quality, quality_of
from backend.labelling.queue_order import Known, Pick, queue_order
from backend.labelling.wording import reason_text
from backend.store.images import ImageFolder
from backend.training.embed_images import BATCH, embed_batch, read
from backend.training.embeddings import EmbeddingCache
from backend.training.features import Rows
from backend.training.fine_tuning.tuned_network import fair_embeddings
from backend.training.head import Floats, Head, ServableGraph, unit
from backend.training.learned import Learned
from backend.training.loaded_version import LoadedVersion
from backend.training.prototypes import read_embedding_mean
from backend.training.worker_protocol import LabeledImage
from serving.job_program import be_job
from serving.json_decode import decode
from serving.predict.prediction import Score
from serving.progress import Report
from serving.tf.cores import core_count

MAX_EMBEDDED = 256
"""Photos that are embedded for one request; the next one finds them in the cache."""
SCORES = 9
"""Classes that are named for a photo."""
_NICE = 10


@dataclass(frozen=True)
class _Model:
    """What the live version knows, and the embeddings of photos by it."""

    folder: Path
    head: Head
    cache: EmbeddingCache

    def rows(self, photos: Iterable[str], classes: Mapping[str, str] | None = None) -> Rows:
        """Return the embeddings of those photos that have one, in the order of their hashes.

        `classes` maps photos to their classes, which are empty without it.
        """
        found = [
            (image, row) for image in sorted(photos) if (row := self.cache.get(image)) is not None
        ]
        size = len(found[0][1]) if found else 0
        return Rows(
            np.array([row for _, row in found], np.float32).reshape(len(found), size),
            tuple(classes[image] if classes else "" for image, _ in found),
            tuple(image for image, _ in found),
        )

    def learned(self, size: int) -> Learned:
        """Return what the version was taught, and its foundation, for embeddings of `size`."""
        if self.head.reads_unit_embeddings(size):
            return Learned.read(self.folder, self.head)
        # Of an older Servery, which kept no foundation that today's regression could begin with.
        nothing = Head(np.zeros((2 * size, 0), np.float32), np.zeros(0, np.float32), ())
        return Learned(nothing)

    def judge(self, labelled: Rows, photos: Floats) -> Judgement:
        every = np.concatenate([photos, *([labelled.embeddings] if labelled else [])])
        mean = read_embedding_mean(self.folder, every)
        return judge(self.learned(photos.shape[1]).foundation, mean, labelled, photos)


def find(spec: LabellingSpec) -> LabellingAnswer:
    """Return the answer to a spec; raises ModelError."""
    folder = Path(spec.version_folder)
    graph = ServableGraph(folder)
    # A network that learned a wrong label finds nothing wrong with it.
    fair = fair_embeddings(folder)
    cache = EmbeddingCache(Path(spec.embeddings_folder), graph.backbone_hash(), fair)
    model = _Model(folder, graph.head(), cache)
    needed = [*spec.labelled, *spec.none]
    if spec.topic is not Topic.ISSUES:
        needed += spec.unlabelled
    _embed_missing(model, _photos(spec, needed))
    if spec.topic is Topic.QUEUE:
        return LabellingAnswer(queue=_queue(spec, model))
    if spec.topic is Topic.GROUPS:
        return LabellingAnswer(groups=_groups(spec, model))
    return _issues(spec, model)


def _embed_missing(model: _Model, photos: list[LabeledImage]) -> None:
    missing = [photo for photo in photos if model.cache.get(photo.image) is None][:MAX_EMBEDDED]
    if not missing:
        return
    batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
    with LoadedVersion(model.folder) as version, ThreadPoolExecutor(core_count()) as pool:
        for embeddings in pool.map(partial(embed_batch, version), batches):
            model.cache.add(embeddings)


def _queue(spec: LabellingSpec, model: _Model) -> list[QueueItem]:
    photos = model.rows(spec.unlabelled)
    items: list[QueueItem] = []
    if len(photos):
        labelled, none = model.rows(spec.labelled, spec.labelled), model.rows(spec.none)
        judgement = model.judge(labelled, photos.embeddings)
        known = Known(judgement.probabilities, judgement.labels)
        # What shows none of the classes needs no second label either.
        seen = [rows.embeddings for rows in (labelled, none) if len(rows)]
        taught = np.concatenate([photos.embeddings[:0], *seen])
        picks = queue_order(unit(photos.embeddings), unit(taught), known, spec.count)
        items = [_item(pick, photos.images, judgement) for pick in picks]
    known_images = frozenset(photos.images)
    unseen = [image for image in spec.unlabelled if image not in known_images]
    items += [_last(image, QueueReason.UNSEEN) for image in unseen]
    items += [_last(image, QueueReason.SKIPPED) for image in spec.skipped]
    return items[: spec.count]


def _item(pick: Pick, images: tuple[str, ...], judgement: Judgement) -> QueueItem:
    best = judgement.best(pick.index, SCORES) if judgement.classes else []
    counts = dict(zip(judgement.classes, judgement.labels.tolist(), strict=True))
    names = [name for name, _ in best[:2]]
    return QueueItem(
        images[pick.index],
        pick.reason,
        reason_text(pick.reason, pick.alike, [(name, counts[name]) for name in names]),
        [Score(name, score) for name, score in best],
        [images[index] for index in pick.near_duplicates],
    )


def _last(image: str, reason: QueueReason) -> QueueItem:
    return QueueItem(image, reason, reason_text(reason, 0, []))


def _groups(spec: LabellingSpec, model: _Model) -> list[Cluster]:
    photos = model.rows(spec.unlabelled)
    if not len(photos):
        return []
    labelled = model.rows(spec.labelled, spec.labelled)
    judgement = model.judge(labelled, photos.embeddings)
    taught = np.concatenate([photos.embeddings[:0], *([labelled.embeddings] if labelled else [])])
    groups = look_alikes(unit(photos.embeddings), unit(taught), judgement, spec.count)
    return [
        Cluster(
            number,
            [photos.images[index] for index in group.indices],
            group.suggestion,
            round(group.score, 4),
        )
        for number, group in enumerate(groups, 1)
    ]


def _issues(spec: LabellingSpec, model: _Model) -> LabellingAnswer:
    rows = model.rows(spec.labelled, spec.labelled)
    measured = _measure(
        _photos(spec, [image for image in spec.labelled if image not in spec.qualities])
    )
    learned, mean = None, None
    if len(rows):
        learned = model.learned(rows.embeddings.shape[1])
        mean = read_embedding_mean(model.folder, rows.embeddings)
    issues = find_issues(rows, learned, mean, spec.labelled, {**spec.qualities, **measured})
    return LabellingAnswer(issues=issues[: spec.count], qualities=measured)


def _photos(spec: LabellingSpec, images: Iterable[str]) -> list[LabeledImage]:
    folder = ImageFolder(Path(spec.images_folder))
    return [
        LabeledImage(image, str(folder.path(image)), spec.labelled.get(image, ""))
        for image in images
    ]


def _measure(photos: list[LabeledImage]) -> dict[str, Quality]:
    def measured(photo: LabeledImage) -> Quality | None:
        jpeg = read(photo)
        return None if jpeg is None else quality_of(jpeg)

    with ThreadPoolExecutor(core_count()) as pool:
        found = pool.map(measured, photos)
        return {
            photo.image: quality
            for photo, quality in zip(photos, found, strict=True)
            if quality is not None
        }


def handle(raw: Any, report: Report) -> object:
    os.nice(_NICE)
    return asdict(find(decode(LabellingSpec, raw)))


if __name__ == "__main__":
    exit_code = be_job(handle)
    # TensorFlow takes about a second to free what the operating system frees anyway.
    os._exit(exit_code)
