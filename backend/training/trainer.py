"""Runs the queued training runs, one at a time, each in its own process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from backend.contract import (
    Decision,
    Event,
    FineTuningOffer,
    RunState,
    StartedBy,
    TrainingRun,
    TrainingSettings,
)
from backend.events import EventBroker
from backend.store.label_queries import Moment
from backend.store.labels import NewLabel
from backend.store.store import Store
from backend.training.embeddings import compact_embeddings
from backend.training.fine_tuning.fine_tuner import FineTuner
from backend.training.gate import (
    AUTOMATIC_OFF,
    GATE,
    OTHER_PROMOTED,
    Verdict,
    judge,
    served_from_image,
)
from backend.training.interrupted import end_interrupted
from backend.training.kept_files import remove_old_embeddings, remove_old_run_folders
from backend.training.outcome import decision_text, excluded_text
from backend.training.photo_source import PhotoSource
from backend.training.queued_run import QueuedRun, new_run
from backend.training.training_spec import training_spec
from backend.training.worker_process import PersistentWorker, WorkerKilled, WorkerProcess
from backend.training.worker_protocol import PhotosRead, TrainingProgress, TrainingResult
from serving.background import cancel_and_wait, finish
from serving.clock import utc_now
from serving.errors import BackendError, ServeryError, storage_error
from serving.models.pruning import prune
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
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
        fine_tuning: Sequence[str] | None = None,
    ) -> None:
        """`worker` is a command to which the path of a spec file is appended, in place of the
        worker that stays between training runs; `fine_tuning` one in place of our program."""
        self._store = store
        self._repository = repository
        self._workspace = workspace
        self._broker = broker
        self._worker = PersistentWorker(
            worker or module_command(WORKER),
            workspace.training_runs,
            stays=worker is None,
            idle_seconds=IDLE_SECONDS,
        )
        self._tuner = FineTuner(
            store=store,
            repository=repository,
            workspace=workspace,
            broker=broker,
            hand_over=self._queue_tuned,
            command=fine_tuning,
        )
        self._queued: dict[tuple[str, str], QueuedRun] = {}
        """By model and what is imported, in the order in which they are carried out."""
        self._spec = partial(training_spec, workspace, store.images)
        self._held: set[str] = set()
        self._current: TrainingRun | None = None
        self._process: WorkerProcess | None = None
        self._unsaved: dict[str, TrainingRun] = {}
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.interrupted = 0
        """How many runs failed because an earlier backend ended before them."""

    async def open(self) -> None:
        """End the runs that an earlier backend left behind, and start.

        Can be called again after it raised BackendError; it has started all the same then.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run_queue(), name="trainer")
        async with self._changed:
            ours = [queued.run.id for queued in self._queued.values()]
            ours += [self._current.id] if self._current is not None else []
            ours += self._tuner.runs
            self.interrupted = await end_interrupted(self._store, self._repository, ours)
            if not ours:
                await asyncio.to_thread(self._tuner.remove_left_over)
        await self._remove_old_files()

    async def close(self) -> None:
        """Stop the worker, if one is running; its run and a queued one end as failed."""
        await self._tuner.close()
        if self._task is not None:
            await cancel_and_wait(self._task)
        await self._worker.close()
        for queued in self._queued.values():
            queued.remove_files()
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

    async def fine_tune(self, model: str) -> TrainingRun:
        """Begin a run that trains the network too, beside all others; it makes a version if
        that is better.

        Returns the model's that is queued or running already, if there is one. Raises
        CannotFineTune, and ModelBusy while the model is held.
        """
        async with self._changed:
            self._check_not_held(model)
            run = await self._tuner.begin(new_run(model, StartedBy.PERSON))
        self._broker.publish(Event("training", run.id))
        return run

    async def fine_tuning_offer(self, model: str) -> FineTuningOffer:
        """Say whether the network of `model` can be fine-tuned now; raises ModelError."""
        return await self._tuner.offer(model)

    async def _queue_tuned(self, run: TrainingRun, tuned: Path) -> None:
        """Queue the rest of a run whose network turned out better: its head, and the gate."""
        run = replace(run, step="Waiting for its turn.")
        async with self._changed:
            self._queued[run.model, run.id] = QueuedRun(run, tuned=tuned)
            self._changed.notify_all()

    async def _queue(
        self, model: str, source: PhotoSource | None, started_by: StartedBy
    ) -> TrainingRun:
        key = (model, str(source.folder) if source else "")
        async with self._changed:
            if key in self._queued:
                return self._queued[key].run
            self._check_not_held(model)
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
            run = replace(
                new_run(model, started_by),
                labels=len(labels.current),
                imported_from=source.name if source else "",
            )
            # As of now: cancelled before it begins, it has been asked for all the same.
            await self._store.runs.save(run, labels.moment)
            self._queued[key] = QueuedRun(run, source)
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
        newest = replace(
            labels,
            current=labels.current[-MAX_EMBEDDED_AHEAD:],
            none=(),
            images_ever_labeled=frozenset(),
        )
        spec = self._spec("ahead", base, Path(), newest)
        if self._current is None and newest.current:
            await self._worker.embed_ahead(replace(spec, only_embeds=True))

    def is_busy(self, model: str) -> bool:
        """Say whether a run of the model is queued or running."""
        running = [] if self._current is None else [self._current.model]
        return model in (*running, *(queued_model for queued_model, _ in self._queued))

    @asynccontextmanager
    async def held(self, model: str, *, beside_tuning: bool = False) -> AsyncIterator[None]:
        """Let no run of `model` be queued inside the block; raises ModelBusy if one is.

        One that fine-tunes its network goes on `beside_tuning`, in which the model keeps its name.
        """
        async with self._changed:
            if self._tuner.is_busy(model) and not beside_tuning:
                raise ModelBusy(
                    f"The network of {model} is being fine-tuned.",
                    "Wait until that training run has ended, or cancel it.",
                )
            if self.is_busy(model):
                raise ModelBusy(
                    f"Model {model} is learning.",
                    "Wait until its training run has ended, or cancel it.",
                )
            self._check_not_held(model)
            self._held.add(model)
        try:
            yield
        finally:
            self._held.discard(model)

    def _check_not_held(self, model: str) -> None:
        """Raise ModelBusy while a model is held."""
        if model in self._held:
            raise ModelBusy(f"Model {model} is being changed.", "Try again in a moment.")

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
        if (tuned := await self._tuner.cancel(run_id)) and tuned.state is RunState.CANCELLED:
            return tuned
        async with self._changed:
            run = await self._store.runs.get(run_id)
            for key, queued in self._queued.items():
                if queued.run.id == run_id:
                    del self._queued[key]
                    queued.remove_files()
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
        return self._tuner.latest(run.id) or self._unsaved.get(run.id, run)

    async def _run_queue(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._queued))
                queued = self._queued.pop(next(iter(self._queued)))
                self._current = run = queued.run
                self._process = WorkerProcess(self._worker, self._workspace.training_runs / run.id)
            try:
                await self._train(queued, self._process)
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
                queued.remove_files()
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

    async def _train(self, queued: QueuedRun, process: WorkerProcess) -> None:
        run, source = queued.run, queued.source
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
            by = source.by if source is not None else ""
            # One action, however many messages: it is undone at once.
            await self._store.labels.add_many(
                model, found, lambda name: name not in known, by=by, batch=run.id
            )
            self._broker.publish(Event("labels", model))

        with staged_version(self._repository, model) as staged:
            spec = replace(
                self._spec(run.id, base, staged, labels, unlabelled),
                import_folder=str(source.folder) if source is not None else "",
                tuned_file=str(queued.tuned or ""),
            )
            result = await process.run(spec, self._on_progress, label)
            run = replace(run, progress=0.95, step="Adding the new version to the repository.")
            self._update(run)
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
            commit_version, self._repository, model, staged, learned_from=base
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
        verdict = await self._judge(base, result)
        decision = Decision.PROMOTED if verdict.passed else Decision.HELD_BACK
        run = replace(
            run.with_decision(decision, verdict.rule, GATE, utc_now()),
            not_promoted_because=verdict.because,
            confused=list(verdict.confused),
        )
        step = decision_text(run, verdict)
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
        step += excluded_text(result)
        await self._finish(replace(run, progress=1.0), RunState.SUCCEEDED, step)
        self._broker.publish(Event("models", model))
        self._broker.publish(Event("labels", model))

    async def _judge(self, base: Version, result: TrainingResult) -> Verdict:
        """Return the gate's verdict on a version that was learned from `base`.

        A version that passes is still held back while the fleet runs from an image, after another
        version was promoted, and for a model whose versions do not go live by themselves.
        """
        verdict = judge(result.evaluation, result.evidence)
        if not verdict.passed:
            return verdict
        if image := await asyncio.to_thread(self._repository.fleet_image):
            return served_from_image(image)
        live = await asyncio.to_thread(self._repository.live, base.model)
        if live.number != base.number:
            # A person's choice, made while the worker was running, outweighs the gate.
            return OTHER_PROMOTED
        settings = await self._settings(base.model)
        return verdict if settings.promote else AUTOMATIC_OFF

    async def _settings(self, model: str) -> TrainingSettings:
        """Return a model's settings; if they cannot be read, a person promotes."""
        try:
            return await self._store.runs.settings(model)
        except BackendError as error:
            _log.error("The training settings of %s could not be read: %s", model, error)
            return TrainingSettings(promote=False)

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
