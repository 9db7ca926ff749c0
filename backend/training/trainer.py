"""Carries out training runs, one at a time, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from backend.clock import utc_now
from backend.contract import Event, RunState, TrainingRun
from backend.events import EventBroker
from backend.store.labels import LabelSnapshot
from backend.store.store import Store
from backend.training import gate
from backend.training.worker_process import WorkerKilled, WorkerProcess
from backend.training.worker_protocol import LabeledImage, TrainingProgress, TrainingSpec
from serving.errors import BackendError, ServeryError
from serving.models.repository import ModelRepository, Version
from serving.programs import module_command
from serving.workspace import Workspace

WORKER = "backend.training.worker"

_log = logging.getLogger(__name__)


class NothingToLearn(BackendError):
    """There is no label, and none was ever learned from."""


class RunIsOver(BackendError):
    """A run that has ended cannot be cancelled."""


class Trainer:
    """Queues training runs for one model and sees each to its end state.

    While it is open, every run that was queued ends as succeeded, failed or
    cancelled; a worker that crashes or is killed harms nothing else.
    """

    def __init__(
        self,
        *,
        model: str,
        store: Store,
        repository: ModelRepository,
        workspace: Workspace,
        broker: EventBroker,
        worker: Sequence[str] | None = None,
        margin: float = gate.MARGIN,
    ) -> None:
        """`worker` is the command that a job file is appended to."""
        self._model = model
        self._store = store
        self._repository = repository
        self._workspace = workspace
        self._broker = broker
        self._worker = list(worker or module_command(WORKER))
        self._margin = margin
        self._waiting: TrainingRun | None = None
        self._current: TrainingRun | None = None
        self._process: WorkerProcess | None = None
        self._unsaved: dict[str, TrainingRun] = {}
        self._changed = asyncio.Condition()
        self._loop: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Give runs that an earlier backend left behind their end, and begin."""
        await self._store.runs.fail_interrupted(
            "Servery ended before the training did. Train again."
        )
        self._loop = asyncio.create_task(self._work_through(), name="trainer")

    async def close(self) -> None:
        """Stop the worker, if one runs; its run and a queued one end as failed."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
            self._loop = None
        await self._store.runs.fail_interrupted("Servery was closed before the training ended.")

    async def queue(self) -> TrainingRun:
        """Queue a run, or return the one that is queued already.

        Raises NothingToLearn without a label.
        """
        async with self._changed:
            if self._waiting is not None:
                return self._waiting
            labels = await self._store.labels.snapshot()
            if not labels.current and not await self._store.runs.last_label_learned():
                raise NothingToLearn(
                    "There is nothing to learn from yet.",
                    "Label a photo first: say what it shows, or that the answer was right.",
                )
            run = TrainingRun(
                id=f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
                model=self._model,
                state=RunState.QUEUED,
                created=utc_now(),
                step="Waiting for its turn.",
                labels=len(labels.current),
            )
            await self._store.runs.save(run)
            self._waiting = run
            self._changed.notify_all()
        self._broker.publish(Event("training", run.id))
        return run

    async def runs(self) -> list[TrainingRun]:
        """Return every run, newest first."""
        return [self._live(run) for run in await self._store.runs.all()]

    async def run(self, run_id: str) -> TrainingRun:
        """Return one run, with its progress; raises UnknownRun."""
        return self._live(await self._store.runs.get(run_id))

    async def cancel(self, run_id: str) -> TrainingRun:
        """Stop a run, and return it once it has ended.

        Raises UnknownRun, and RunIsOver where it had ended before.
        """
        async with self._changed:
            run = await self._store.runs.get(run_id)
            if self._waiting is not None and self._waiting.id == run_id:
                waiting, self._waiting = self._waiting, None
                return await self._end(waiting, RunState.CANCELLED, "Cancelled.")
            if self._current is None or self._current.id != run_id:
                raise RunIsOver("This training run has ended already.", "Start another one.")
            if self._process is not None:
                self._process.kill()
            await self._changed.wait_for(
                lambda: self._current is None or self._current.id != run_id
            )
        run = await self.run(run_id)
        if run.state is not RunState.CANCELLED:
            raise RunIsOver("The training run ended just before it could be cancelled.", "")
        return run

    def _live(self, run: TrainingRun) -> TrainingRun:
        if self._current is not None and self._current.id == run.id:
            return self._current
        return self._unsaved.get(run.id, run)

    async def _work_through(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting is not None)
                assert self._waiting is not None
                self._current, self._waiting = self._waiting, None
                run = self._current
                self._process = WorkerProcess(self._worker, self._workspace.training_runs / run.id)
            try:
                await self._carry_out(run, self._process)
            except WorkerKilled:
                await self._end(self._current, RunState.CANCELLED, "Cancelled.")
            except ServeryError as error:
                await self._fail(error.what, error.advice)
            except Exception as error:
                _log.exception("Training run %s failed", run.id)
                await self._fail(f"The training failed: {error}.", "The backend's log says more.")
            finally:
                async with self._changed:
                    self._current = self._process = None
                    self._changed.notify_all()

    async def _carry_out(self, run: TrainingRun, process: WorkerProcess) -> None:
        labels = await self._store.labels.snapshot()
        run = replace(run, state=RunState.RUNNING, labels=len(labels.current), step="Starting.")
        await self._store.runs.save(run, last_label=labels.last_label)
        self._show(run)
        base = self._repository.live(self._model)
        with self._repository.staged(self._model) as staged:
            result = await process.run(self._spec(run, base, staged, labels), self._progressed)
            self._show(replace(run, progress=0.95, step="Putting the new version in place."))
            version = self._repository.adopt(self._model, staged)
        run = replace(
            run,
            version=version.number,
            accuracy=result.evaluation.accuracy,
            base_accuracy=result.evaluation.base_accuracy,
        )
        self._show(run)
        reason = gate.reason_not_to_promote(result.evaluation, self._margin)
        if reason is None and self._repository.live(self._model).number != base.number:
            reason = "Another version was made live meanwhile, so this one was not."
        if reason is None:
            self._repository.promote(self._model, version.number)
            await self._store.runs.record_promotion(self._model, version.number, run.id)
        run = replace(run, progress=1.0, promoted=reason is None, not_promoted_because=reason or "")
        step = reason or f"Version {version.number} is live."
        if result.unreadable_images:
            step += f" Photos that could not be read any more: {result.unreadable_images:,}."
        await self._end(run, RunState.SUCCEEDED, step)
        self._broker.publish(Event("models", self._model))
        self._broker.publish(Event("labels"))

    def _spec(
        self, run: TrainingRun, base: Version, staged: Path, labels: LabelSnapshot
    ) -> TrainingSpec:
        return TrainingSpec(
            run_id=run.id,
            model=self._model,
            base_version=base.number,
            base_folder=str(base.path),
            staging_folder=str(staged),
            embeddings_folder=str(self._workspace.training_runs / "embeddings"),
            images=tuple(
                LabeledImage(
                    label.image, str(self._store.images.path(label.image)), label.class_name
                )
                for label in labels.current
            ),
            images_ever_labeled=tuple(sorted(labels.images_ever_labeled)),
        )

    def _progressed(self, progress: TrainingProgress) -> None:
        if self._current is not None:
            self._show(replace(self._current, progress=progress.progress, step=progress.step))

    async def _fail(self, what: str, advice: str) -> None:
        assert self._current is not None
        await self._end(self._current, RunState.FAILED, f"{what} {advice}".strip())

    async def _end(self, run: TrainingRun, state: RunState, step: str) -> TrainingRun:
        """Give a run its end, also where the database cannot keep it."""
        ended = replace(run, state=state, step=step, finished=utc_now())
        try:
            await self._store.runs.save(ended)
        except BackendError as error:
            _log.error("The end of training run %s could not be saved: %s", run.id, error)
            self._unsaved[run.id] = ended
        if self._current is not None and self._current.id == run.id:
            self._current = ended
        self._broker.publish(Event("training", run.id))
        return ended

    def _show(self, run: TrainingRun) -> None:
        self._current = run
        self._broker.publish(Event("training", run.id))
