"""Runs the queued training runs, one at a time, each in its own process."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from backend.contract import (
    Decision,
    Event,
    RunState,
    StartedBy,
    TrainingRun,
    TrainingSettings,
)
from backend.events import EventBroker
from backend.store.label_queries import Moment
from backend.store.labels import LabelSnapshot, NewLabel
from backend.store.store import Store
from backend.training.embeddings import compact_embeddings
from backend.training.gate import AUTOMATIC_OFF, GATE, OTHER_PROMOTED, judge
from backend.training.kept_files import remove_old_embeddings, remove_old_run_folders
from backend.training.worker_process import StandingWorker, WorkerKilled, WorkerProcess
from backend.training.worker_protocol import (
    LabeledImage,
    PhotosRead,
    StoredImage,
    TrainingProgress,
    TrainingResult,
    TrainingSpec,
)
from serving.background import cancel_and_wait, finish
from serving.clock import utc_now
from serving.errors import BackendError, ServeryError, storage_error
from serving.models.pruning import prune
from serving.models.repository import ModelRepository, Version
from serving.models.staging import adopt_version, staged_version
from serving.programs import module_command
from serving.workspace import Workspace

WORKER = "backend.training.worker"
MAX_EMBEDDED_AHEAD = 200
"""Photos that are looked at when labels are new; known embeddings cost nothing."""
IDLE_SECONDS = 180.0
"""For so long the worker stays after a training run, with what the next one needs loaded; longer
than the quiet time after which labels are learned by themselves."""

_log = logging.getLogger(__name__)


class NothingToLearn(BackendError):
    """The model has no labels, and no run of it has ever learned from any."""


class ModelBusy(BackendError):
    """A training run of the model is queued or running, or the model is being changed."""


class RunIsOver(BackendError):
    """A run that has finished cannot be cancelled."""


@dataclass(frozen=True)
class PhotoSource:
    """Where a training run reads photos before it learns: a folder with one folder a class."""

    folder: Path
    name: str
    """For people to read: the folder, or the file that it was unpacked from."""
    temporary: bool = False
    """The folder is removed at the end of the run."""

    def remove(self) -> None:
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class _Queued:
    run: TrainingRun
    source: PhotoSource | None = None


_NO_RUN = TrainingRun(id="ahead", model="", state=RunState.QUEUED, created="")


class Trainer:
    """Queues training runs of all models and takes each to its end state, one at a time.

    While it is open, every run that was queued ends as succeeded, failed or
    cancelled; a worker that crashes or is killed harms nothing else.
    """

    def __init__(
        self,
        *,
        store: Store,
        repository: ModelRepository,
        workspace: Workspace,
        broker: EventBroker,
        worker: Sequence[str] | None = None,
    ) -> None:
        """`worker` is a command to which the path of a spec file is appended, in place of the
        worker that stays between training runs."""
        self._store = store
        self._repository = repository
        self._workspace = workspace
        self._broker = broker
        self._worker = StandingWorker(
            worker or module_command(WORKER),
            workspace.training_runs,
            stays=worker is None,
            idle_seconds=IDLE_SECONDS,
        )
        self._queued: dict[tuple[str, str], _Queued] = {}
        """By model and what is imported, in the order in which they are carried out."""
        self._held: set[str] = set()
        self._current: TrainingRun | None = None
        self._process: WorkerProcess | None = None
        self._unsaved: dict[str, TrainingRun] = {}
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.interrupted = 0
        """How many runs an earlier backend left behind unfinished."""

    async def open(self) -> None:
        """Mark the runs that an earlier backend left behind as failed, and start.

        Can be called again after it raised BackendError; it has started all the same then.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run_queue(), name="trainer")
        async with self._changed:
            ours = [queued.run.id for queued in self._queued.values()]
            ours += [self._current.id] if self._current is not None else []
            self.interrupted = await self._store.runs.fail_interrupted(
                "Servery ended before the training run did. Train again.", ours
            )
        await self._remove_old_files()

    async def close(self) -> None:
        """Stop the worker, if one is running; its run and a queued one end as failed."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        await self._worker.close()
        for queued in self._queued.values():
            if queued.source is not None:
                queued.source.remove()
        try:
            await self._store.runs.fail_interrupted(
                "Servery was closed before the training run ended."
            )
        except BackendError as error:  # The next backend marks them.
            _log.error("Interrupted training runs could not be marked: %s", error)

    async def queue(self, model: str, started_by: StartedBy = StartedBy.PERSON) -> TrainingRun:
        """Queue a run that learns from the labels of `model`.

        Returns the one that is queued already, if there is one. Raises NothingToLearn,
        and ModelBusy while the model is held.
        """
        return await self._queue(model, None, started_by)

    async def queue_import(self, model: str, source: PhotoSource) -> TrainingRun:
        """Queue a run that labels the photos of `source` first, then learns from all labels.

        Returns the one that is queued already for the same source, if there is one.
        Raises ModelBusy while the model is held.
        """
        return await self._queue(model, source, StartedBy.PERSON)

    async def _queue(
        self, model: str, source: PhotoSource | None, started_by: StartedBy
    ) -> TrainingRun:
        key = (model, str(source.folder) if source else "")
        async with self._changed:
            if key in self._queued:
                return self._queued[key].run
            if model in self._held:
                raise ModelBusy(f"Model {model} is being changed.", "Try again in a moment.")
            labels = await self._store.labels.snapshot(model)
            if (
                source is None
                and not labels.current
                and not (await self._store.runs.last_learned(model)).label
            ):
                raise NothingToLearn(
                    "There is nothing to learn from yet.",
                    "Label a photo first: say what it shows, or confirm the prediction.",
                )
            run = TrainingRun(
                id=f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
                model=model,
                state=RunState.QUEUED,
                created=utc_now(),
                step="Waiting for its turn.",
                labels=len(labels.current),
                imported_from=source.name if source else "",
                started_by=started_by,
            )
            # As of now: cancelled before it begins, it has been asked for all the same.
            await self._store.runs.save(run, labels.moment)
            self._queued[key] = _Queued(run, source)
            self._changed.notify_all()
        self._broker.publish(Event("training", run.id))
        return run

    async def embed_ahead(self, model: str) -> None:
        """Embed the last labelled photos before a run asks for them, unless one goes on.

        Raises ModelError without a live version.
        """
        if not self._worker.stays or self._current is not None:
            return
        labels = await self._store.labels.snapshot(model)
        base = await asyncio.to_thread(self._repository.live, model)
        newest = replace(labels, current=labels.current[-MAX_EMBEDDED_AHEAD:], none=())
        spec = self._spec(_NO_RUN, None, base, Path(), newest, ())
        if self._current is None and newest.current:
            await self._worker.embed_ahead(replace(spec, only_embeds=True))

    def is_busy(self, model: str) -> bool:
        """Say whether a run of the model is queued or running."""
        running = [] if self._current is None else [self._current.model]
        return model in (*running, *(queued_model for queued_model, _ in self._queued))

    @asynccontextmanager
    async def held(self, model: str) -> AsyncIterator[None]:
        """Let no run of `model` be queued inside the block; raises ModelBusy if one is."""
        async with self._changed:
            if self.is_busy(model):
                raise ModelBusy(
                    f"Model {model} is learning.",
                    "Wait until its training run has ended, or cancel it.",
                )
            if model in self._held:
                raise ModelBusy(f"Model {model} is being changed.", "Try again in a moment.")
            self._held.add(model)
        try:
            yield
        finally:
            self._held.discard(model)

    async def runs(self, model: str | None = None) -> list[TrainingRun]:
        """Return every run, or every run of one model, newest first."""
        return [self._latest(run) for run in await self._store.runs.all(model)]

    async def run(self, run_id: str) -> TrainingRun:
        """Return one run, with its progress; raises UnknownRun."""
        return self._latest(await self._store.runs.get(run_id))

    async def cancel(self, run_id: str) -> TrainingRun:
        """Stop a run, and return it once it has stopped.

        Raises UnknownRun, and RunIsOver if it had finished before.
        """
        async with self._changed:
            run = await self._store.runs.get(run_id)
            for key, queued in self._queued.items():
                if queued.run.id == run_id:
                    del self._queued[key]
                    if queued.source is not None:
                        queued.source.remove()
                    return await self._finish(queued.run, RunState.CANCELLED, "Cancelled.")
            if self._current is None or self._current.id != run_id:
                raise RunIsOver("This training run has finished already.", "Start another one.")
            if self._process is not None:
                self._process.kill()
            await self._changed.wait_for(
                lambda: self._current is None or self._current.id != run_id
            )
        run = await self.run(run_id)
        if run.state is not RunState.CANCELLED:
            raise RunIsOver(
                "The training run finished just before it could be cancelled.",
                "See the list of runs for its result.",
            )
        return run

    def _latest(self, run: TrainingRun) -> TrainingRun:
        """Return what is known in memory beyond what the database holds of a run."""
        if self._current is not None and self._current.id == run.id:
            return self._current
        return self._unsaved.get(run.id, run)

    async def _run_queue(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._queued))
                queued = self._queued.pop(next(iter(self._queued)))
                self._current = run = queued.run
                self._process = WorkerProcess(self._worker, self._workspace.training_runs / run.id)
            try:
                await self._train(run, queued.source, self._process)
            except WorkerKilled:
                await self._finish(self._current, RunState.CANCELLED, "Cancelled.")
            except ServeryError as error:
                await self._finish(self._current, RunState.FAILED, str(error))
            except OSError as error:
                _log.exception("Training run %s failed", run.id)
                what = "The training run could not write its files"
                failure = storage_error(error, self._workspace.root, what, BackendError)
                await self._finish(self._current, RunState.FAILED, str(failure))
            except Exception as error:
                _log.exception("Training run %s failed", run.id)
                await self._finish(
                    self._current,
                    RunState.FAILED,
                    f"The training failed: {error}. See the backend's log for details.",
                )
            finally:
                if queued.source is not None:
                    queued.source.remove()
                async with self._changed:
                    self._current = self._process = None
                    self._changed.notify_all()
            await self._remove_old_files()

    async def _remove_old_files(self) -> None:
        """Keep what training runs leave behind within its limits."""
        try:
            runs = {run.id for run in await self._store.runs.all()}
            images = await self._store.pool.all_images()
        except BackendError as error:
            _log.error("Old training runs could not be removed: %s", error)
            return
        folder, embeddings = self._workspace.training_runs, self._workspace.embeddings
        await asyncio.to_thread(remove_old_run_folders, folder, runs)
        await asyncio.to_thread(remove_old_embeddings, embeddings)
        await asyncio.to_thread(compact_embeddings, embeddings, images)

    async def _train(
        self, run: TrainingRun, source: PhotoSource | None, process: WorkerProcess
    ) -> None:
        model = run.model
        labels = await self._store.labels.snapshot(model)
        unlabelled = await self._store.pool.unlabelled(model)
        run = replace(run, state=RunState.RUNNING, labels=len(labels.current), step="Starting.")
        await self._store.runs.save(run, labels.moment)
        self._update(run)
        base = await asyncio.to_thread(self._repository.live, model)
        known = frozenset((await asyncio.to_thread(base.card)).classes)

        async def label(read: PhotosRead) -> None:
            found = [
                NewLabel(photo.image, photo.class_name, photo.held_out) for photo in read.photos
            ]
            # One action, however many messages: it is undone at once.
            await self._store.labels.add_many(
                model, found, lambda name: name not in known, batch=run.id
            )
            self._broker.publish(Event("labels", model))

        with staged_version(self._repository, model) as staged:
            result = await process.run(
                self._spec(run, source, base, staged, labels, unlabelled),
                self._on_progress,
                label,
            )
            self._update(
                replace(run, progress=0.95, step="Adding the new version to the repository.")
            )
            # Not stopped half-way: a version that is in the repository has a run that says so.
            await finish(self._conclude(run, source, base, staged, result, labels.moment))

    async def _conclude(
        self,
        run: TrainingRun,
        source: PhotoSource | None,
        base: Version,
        staged: Path,
        result: TrainingResult,
        learned: Moment,
    ) -> None:
        """Add the version that the worker wrote, let it go live if it may, and end the run."""
        model = run.model
        version = await asyncio.to_thread(
            adopt_version, self._repository, model, staged, learned_from=base
        )
        run = replace(
            run,
            version=version.number,
            accuracy=result.evaluation.accuracy,
            base_accuracy=result.evaluation.base_accuracy,
        )
        if source is not None:
            run = replace(run, labels=result.learned_images)
            imported = await self._store.labels.snapshot(model)
            # What was taken back since it began was learned all the same.
            moment = imported.moment._replace(undone=learned.undone)
            await self._store.runs.save(run, moment)
        self._update(run)
        verdict = judge(result.evaluation, result.evidence)
        live = await asyncio.to_thread(self._repository.live, model)
        settings = await self._settings(model)
        if verdict.passed and live.number != base.number:
            # A person's choice, made while the worker was running, outweighs the gate.
            verdict = OTHER_PROMOTED
        elif verdict.passed and not settings.promote:
            verdict = AUTOMATIC_OFF
        decision = Decision.PROMOTED if verdict.passed else Decision.HELD_BACK
        run = replace(
            run.with_decision(decision, verdict.rule, GATE, utc_now()),
            not_promoted_because=verdict.because,
            confused=list(verdict.confused),
        )
        step = verdict.because or f"Version {version.number} is live."
        if verdict.passed:
            await asyncio.to_thread(self._repository.promote, model, version.number)
        self._update(run)  # whatever fails from here on, a version that passed is live
        try:
            await self._store.runs.save(run)
            await self._store.runs.record_decision(
                model, version.number, run.decision, run.rule, GATE, run.not_promoted_because
            )
        except BackendError as error:
            _log.error("The decision about run %s could not be recorded: %s", run.id, error)
            step += f" That is missing from the list of decisions: {error}"
        # After that, so that it keeps the version that is live now.
        await asyncio.to_thread(prune, self._repository, model)
        run = replace(run, progress=1.0)
        if result.unreadable_images:
            count = f"{result.unreadable_images:,}"
            step += f" Photos that could not be read any more: {count}; the report says which."
        if result.skipped:
            step += f" Files skipped: {result.skipped:,}; the report says why."
        await self._finish(run, RunState.SUCCEEDED, step)
        self._broker.publish(Event("models", model))
        self._broker.publish(Event("labels", model))

    async def _settings(self, model: str) -> TrainingSettings:
        """Return a model's settings; if they cannot be read, a person promotes."""
        try:
            return await self._store.runs.settings(model)
        except BackendError as error:
            _log.error("The training settings of %s could not be read: %s", model, error)
            return TrainingSettings(promote=False)

    def _spec(
        self,
        run: TrainingRun,
        source: PhotoSource | None,
        base: Version,
        staged: Path,
        labels: LabelSnapshot,
        unlabelled: Sequence[str],
    ) -> TrainingSpec:
        return TrainingSpec(
            run_id=run.id,
            base_version=base.number,
            base_folder=str(base.path),
            staging_folder=str(staged),
            embeddings_folder=str(self._workspace.embeddings),
            import_folder=str(source.folder) if source is not None else "",
            images_folder=str(self._store.images.root),
            images=tuple(
                LabeledImage(
                    label.image,
                    str(self._store.images.path(label.image)),
                    label.class_name,
                    label.image in labels.held_out,
                )
                for label in labels.current
            ),
            images_ever_labeled=tuple(sorted(labels.images_ever_labeled)),
            unlabelled=self._stored(unlabelled),
            none=self._stored([label.image for label in labels.none]),
        )

    def _stored(self, images: Sequence[str]) -> tuple[StoredImage, ...]:
        return tuple(StoredImage(image, str(self._store.images.path(image))) for image in images)

    def _on_progress(self, progress: TrainingProgress) -> None:
        if self._current is not None:
            self._update(replace(self._current, progress=progress.progress, step=progress.step))

    async def _finish(self, run: TrainingRun, state: RunState, step: str) -> TrainingRun:
        """Give a run its end state, even if the database cannot store it."""
        finished = replace(run, state=state, step=step, finished=utc_now())
        try:
            await self._store.runs.save(finished)
        except BackendError as error:
            _log.error("How training run %s ended could not be saved: %s", run.id, error)
            self._unsaved[run.id] = finished
        if self._current is not None and self._current.id == run.id:
            self._current = finished
        self._broker.publish(Event("training", run.id))
        return finished

    def _update(self, run: TrainingRun) -> None:
        self._current = run
        self._broker.publish(Event("training", run.id))
