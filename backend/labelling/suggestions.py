"""Answers what is worth labelling, and which labels are in doubt, from a program of its own.

An answer is kept until a label, the pool or the live version changes; callers who want the same
one wait for the same program, which is ended when none of them waits any more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backend.contract import Cluster, LabelIssue, QueueItem
from backend.labelling.labelling_protocol import LabellingAnswer, LabellingSpec, Topic
from backend.labelling.photo_quality import Quality
from backend.store.labels import LabelSnapshot
from backend.store.store import Store
from backend.training.worker_process import worker_variables
from serving.background import cancel_and_wait
from serving.job_program import run_job
from serving.models.repository import ModelRepository
from serving.workspace import Workspace

PROGRAM = "backend.labelling.program"
MAX_QUALITIES = 200_000
"""Photos whose quality is remembered; each takes about 200 bytes."""

Run = Callable[[str], Awaitable[LabellingAnswer]]


@dataclass(frozen=True)
class _Moment:
    """What an answer depends on."""

    topic: Topic
    model: str
    version: int
    photos: str
    """Changes with each label, and with each photo of the pool."""
    count: int


@dataclass(frozen=True)
class _Photos:
    """The photos of a model."""

    labels: LabelSnapshot
    unlabelled: Sequence[str]

    def fingerprint(self) -> str:
        labels = self.labels
        current = [(label.image, label.kind.value, label.class_name) for label in labels.current]
        none = [label.image for label in labels.none]
        excluded = sorted(labels.disputed), sorted(labels.skipped)
        every = json.dumps([current, none, excluded, list(self.unlabelled)])
        return hashlib.sha256(every.encode()).hexdigest()


@dataclass
class _Running:
    """A program at work, and how many callers wait for it."""

    task: asyncio.Task[LabellingAnswer]
    waiting: int = 0


class Suggestions:
    """One program at a time; the backend answers other requests meanwhile."""

    def __init__(
        self,
        repository: ModelRepository,
        store: Store,
        workspace: Workspace,
        run: Run | None = None,
    ) -> None:
        """`run` starts the program with what it reads; by default that is a real one."""
        self._repository = repository
        self._store = store
        self._embeddings = workspace.embeddings
        self._run = run or run_program
        self._one_at_a_time = asyncio.Lock()
        self._kept: dict[tuple[Topic, str], tuple[_Moment, LabellingAnswer]] = {}
        self._running: dict[_Moment, _Running] = {}
        self._qualities: dict[str, Quality] = {}

    async def queue(self, model: str, count: int, exclude: Collection[str] = ()) -> list[QueueItem]:
        """Return at most `count` photos without a label, the one that teaches most first.

        None of `exclude`, by their hashes. Raises ModelError if the live version cannot learn,
        BackendError if the program ends without an answer.
        """
        excluded = frozenset(exclude)
        found = await self._answer(Topic.QUEUE, model, count + len(excluded))
        return [item for item in found.queue if item.image not in excluded][:count]

    async def groups(self, model: str, count: int) -> list[Cluster]:
        """Return at most `count` groups of photos that look alike; raises as `queue` does."""
        return (await self._answer(Topic.GROUPS, model, count)).groups[:count]

    async def issues(self, model: str, count: int) -> list[LabelIssue]:
        """Return at most `count` labelled photos in doubt, the worst first; raises as `queue`."""
        return (await self._answer(Topic.ISSUES, model, count)).issues[:count]

    async def _answer(self, topic: Topic, model: str, count: int) -> LabellingAnswer:
        version = await asyncio.to_thread(self._repository.live, model)
        labels = await self._store.labels.snapshot(model)
        unlabelled: Sequence[str] = ()
        if topic is not Topic.ISSUES:
            unlabelled = await self._store.pool.unlabelled(model)
        photos = _Photos(labels, unlabelled)
        # In a thread, as all that takes long with many photos.
        fingerprint = await asyncio.to_thread(photos.fingerprint)
        moment = _Moment(topic, model, version.number, fingerprint, count)
        kept = self._kept.get((topic, model))
        if kept is not None and _answers(kept[0], moment):
            return kept[1]
        if not unlabelled and not labels.current:
            return LabellingAnswer()
        return await self._shared(moment, photos, version.path)

    async def _shared(
        self, moment: _Moment, photos: _Photos, version_folder: Path
    ) -> LabellingAnswer:
        """Return the answer of a program that all callers of this moment share."""
        running = self._running.get(moment)
        if running is None:
            work = self._compute(moment, photos, version_folder)
            running = _Running(asyncio.get_running_loop().create_task(work))
            self._running[moment] = running
        running.waiting += 1
        try:
            return await asyncio.shield(running.task)
        finally:
            running.waiting -= 1
            if not running.waiting:
                self._running.pop(moment, None)
                await cancel_and_wait(running.task)

    async def _compute(
        self, moment: _Moment, photos: _Photos, version_folder: Path
    ) -> LabellingAnswer:
        async with self._one_at_a_time:
            spec = await asyncio.to_thread(self._spec, moment, photos, version_folder)
            answer = await self._run(spec)
        if len(self._qualities) > MAX_QUALITIES:
            self._qualities.clear()
        self._qualities.update(answer.qualities)
        self._kept[moment.topic, moment.model] = moment, answer
        return answer

    def _spec(self, moment: _Moment, photos: _Photos, version_folder: Path) -> str:
        labels = photos.labels
        with_labels = {label.image for label in (*labels.current, *labels.none)} | labels.disputed
        to_label = [image for image in photos.unlabelled if image not in with_labels]
        qualities = {}
        if moment.topic is Topic.ISSUES:
            images = (label.image for label in labels.current)
            qualities = {each: self._qualities[each] for each in images if each in self._qualities}
        spec = LabellingSpec(
            moment.topic,
            str(version_folder),
            str(self._embeddings),
            str(self._store.images.root),
            labelled={label.image: label.class_name for label in labels.current},
            none=[label.image for label in labels.none],
            unlabelled=[image for image in to_label if image not in labels.skipped],
            skipped=[image for image in to_label if image in labels.skipped],
            count=moment.count,
            qualities=qualities,
        )
        return spec.to_json()


def _answers(kept: _Moment, asked: _Moment) -> bool:
    """Whether the answer of one moment is that of another, for as many photos or fewer."""
    return replace(kept, count=asked.count) == asked and kept.count >= asked.count


async def run_program(spec: str) -> LabellingAnswer:
    """Return what the program answers to a LabellingSpec; it is killed with this coroutine.

    Raises ModelError with what it says, BackendError if it ends without an answer.
    """
    raw = await run_job(PROGRAM, spec, "Finding out what to label", worker_variables())
    return await asyncio.to_thread(LabellingAnswer.from_json, raw)
