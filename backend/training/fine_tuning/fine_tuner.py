"""Fine-tunes networks in the background, one after the other, beside the training runs.

It takes minutes, so labels go on being learned meanwhile with the network as it is. A network
that turns out better is handed to the trainer, which makes a version of it in its turn: with a
head that learned every label there is by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backend.contract import (
    Event,
    FineTuningOffer,
    NetworkComparison,
    RunState,
    TrainingRun,
)
from backend.events import EventBroker
from backend.store.label_queries import Moment
from backend.store.labels import LabelSnapshot
from backend.store.store import Store
from backend.training.fine_tuning import conditions
from backend.training.fine_tuning.comparison import is_better
from backend.training.training_spec import training_spec
from backend.training.worker_process import PersistentWorker, WorkerProcess
from backend.training.worker_protocol import FineTuned, TrainingProgress
from serving.background import cancel_and_wait
from serving.clock import utc_now
from serving.errors import BackendError, ServeryError, storage_error
from serving.models.repository import ModelRepository
from serving.programs import module_command
from serving.workspace import Workspace

PROGRAM = "backend.training.fine_tuning.program"
TUNED_NAME = "tuned.npz"
"""The tuned network in the folder of a run, until the trainer has made a version of it."""

_log = logging.getLogger(__name__)

HandOver = Callable[[TrainingRun, Path], Awaitable[None]]
"""Takes a run whose network is better, and the file of it."""


class CannotFineTune(BackendError):
    """The network of a model cannot be fine-tuned, or not yet."""


@dataclass
class _Current:
    run: TrainingRun
    process: WorkerProcess
    task: asyncio.Task[None]
    cancelled: bool = False
    """By a person, not because the backend ends."""


class FineTuner:
    """Carries out the runs that fine-tune; each ends in a state, or is handed over."""

    def __init__(
        self,
        *,
        store: Store,
        repository: ModelRepository,
        workspace: Workspace,
        broker: EventBroker,
        hand_over: HandOver,
        command: Sequence[str] | None = None,
    ) -> None:
        """`command` is the fine-tuning program, if another one than ours."""
        self._store = store
        self._repository = repository
        self._workspace = workspace
        self._broker = broker
        self._hand_over = hand_over
        self._command = command or module_command(PROGRAM)
        self._current: dict[str, _Current] = {}
        """By the ids of the runs."""
        self._one_at_a_time = asyncio.Lock()

    @property
    def runs(self) -> list[str]:
        """The ids of the runs that are queued or running here."""
        return list(self._current)

    def latest(self, run_id: str) -> TrainingRun | None:
        """Return a run that is queued or running here as it is now."""
        found = self._current.get(run_id)
        return None if found is None else found.run

    def is_busy(self, model: str) -> bool:
        """Say whether the network of a model is being fine-tuned."""
        return any(each.run.model == model for each in self._current.values())

    async def offer(self, model: str) -> FineTuningOffer:
        """Say whether the network of a model can be fine-tuned now, and how long it takes."""
        return await self._offer(model, await self._store.labels.snapshot(model))

    async def _offer(self, model: str, labels: LabelSnapshot) -> FineTuningOffer:
        counts = Counter(
            label.class_name for label in labels.current if label.image not in labels.held_out
        )
        settings = await asyncio.to_thread(self._repository.settings, model)
        version = await asyncio.to_thread(self._repository.live, model)
        card = await asyncio.to_thread(version.card)
        return conditions.offer(settings, counts, card.input_side)

    async def begin(self, run: TrainingRun) -> TrainingRun:
        """Begin to fine-tune for `run`, or let it wait; returns it as it is then.

        Returns the model's that is queued or running already, if there is one. Raises
        CannotFineTune with a sentence that says why not, and what would be needed.
        """
        for each in self._current.values():
            if each.run.model == run.model:
                return each.run
        labels = await self._store.labels.snapshot(run.model)
        offer = await self._offer(run.model, labels)
        if offer.because:
            raise CannotFineTune(offer.because, offer.advice)
        run = replace(run, fine_tunes=True, labels=offer.labels)
        # It learns from no label until there is a version: others may be learned meanwhile.
        await self._store.runs.save(run, Moment())
        process = WorkerProcess(self._worker(run), self._folder(run))
        task = asyncio.create_task(self._carry_out(run.id), name=f"fine-tuning {run.id}")
        self._current[run.id] = _Current(run, process, task)
        return run

    async def cancel(self, run_id: str) -> TrainingRun | None:
        """Stop a run and return it once it has stopped; None if it is not here any more."""
        found = self._current.get(run_id)
        if found is None:
            return None
        found.cancelled = True
        await cancel_and_wait(found.task)
        return await self._store.runs.get(run_id)

    async def close(self) -> None:
        """Stop all; the runs stay as they are in the database."""
        for each in list(self._current.values()):
            await cancel_and_wait(each.task)

    def remove_left_over(self) -> None:
        """Remove networks that a backend which was killed left behind in folders of runs."""
        for path in self._workspace.training_runs.glob(f"*/{TUNED_NAME}*"):
            with contextlib.suppress(OSError):
                path.unlink()

    async def _carry_out(self, run_id: str) -> None:
        current = self._current[run_id]
        try:
            async with self._one_at_a_time:
                await self._tune(current)
        except asyncio.CancelledError:
            if not current.cancelled:
                raise
            await self._finish(current, RunState.CANCELLED, "Cancelled.")
        except ServeryError as error:
            await self._finish(current, RunState.FAILED, str(error))
        except OSError as error:
            what = "The training run could not write its files"
            failure = storage_error(error, self._workspace.root, what, BackendError)
            await self._finish(current, RunState.FAILED, str(failure))
        except Exception as error:
            _log.exception("Fine-tuning run %s failed", run_id)
            sentence = f"Fine-tuning failed: {error}. See the backend's log for details."
            await self._finish(current, RunState.FAILED, sentence)
        finally:
            self._current.pop(run_id, None)
            self._broker.publish(Event("training", run_id))

    async def _tune(self, current: _Current) -> None:
        run = current.run
        base = await asyncio.to_thread(self._repository.live, run.model)
        labels = await self._store.labels.snapshot(run.model)
        # What a test part of an imported folder shows is learned by nothing.
        learned = tuple(each for each in labels.current if each.image not in labels.held_out)
        tuned = self._folder(run) / TUNED_NAME
        spec = training_spec(
            self._workspace,
            self._store.images,
            run.id,
            base,
            Path(),
            replace(labels, current=learned, none=()),
        )
        current.run = run = replace(run, state=RunState.RUNNING, step="Starting.")
        await self._store.runs.save(run)
        self._broker.publish(Event("training", run.id))

        def on_progress(progress: TrainingProgress) -> None:
            current.run = replace(current.run, progress=progress.progress, step=progress.step)
            self._broker.publish(Event("training", run.id))

        outcome = await current.process.fine_tune(replace(spec, tuned_file=str(tuned)), on_progress)
        current.run = replace(current.run, networks=outcome.comparison)
        if not outcome.better:
            await self._finish(current, RunState.SUCCEEDED, _no_gain(outcome))
            return
        await self._store.runs.save(current.run)
        await self._hand_over(current.run, tuned)

    def _worker(self, run: TrainingRun) -> PersistentWorker:
        return PersistentWorker(self._command, self._folder(run), stays=False, idle_seconds=0)

    def _folder(self, run: TrainingRun) -> Path:
        return self._workspace.training_runs / run.id

    async def _finish(self, current: _Current, state: RunState, step: str) -> None:
        current.run = replace(current.run, state=state, step=step, finished=utc_now())
        try:
            await self._store.runs.save(current.run)
        except BackendError as error:
            _log.error("How run %s ended could not be saved: %s", current.run.id, error)


def gain_sentence(found: NetworkComparison) -> str:
    """Say how many photos both networks know, as two shares."""
    return (
        f"of {found.photos:,} photos that it had not learned from, {100 * found.after:.1f}% were"
        f" right, and {100 * found.before:.1f}% with the network as it is"
    )


def _no_gain(outcome: FineTuned) -> str:
    found = outcome.comparison
    more = "" if not found.after > found.before else ", which chance alone may give"
    assert not is_better(found)
    return (
        f"Fine-tuning brought nothing, so there is no new version: {gain_sentence(found)}{more}."
        " Try again with more labels."
    )
