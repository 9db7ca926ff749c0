"""What happens when a person asks the model to learn from the labels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from backend.client import BackendClient
from backend.contract import RunState, TrainingRun
from desktop.learn.outbox import Outbox
from desktop.learn.wording import step_sentence
from serving.errors import BackendError, ServeryError
from serving.progress import Report

LABELS_TIMEOUT = 10.0
"""Seconds to wait for labels that are still on their way to the backend."""
_POLL_SECONDS = 0.5
"""Between two questions how far a training run is."""
_STEPS = 100


class TrainingRunFailed(ServeryError):
    """A training run failed, so there is no version."""


async def learn_now(
    backend: BackendClient,
    outbox: Outbox,
    report: Report,
    *,
    closing: Callable[[], bool] = lambda: False,
) -> TrainingRun:
    """Start a training run on every label so far, and return it when it has succeeded.

    Cancelling this cancels the run, as `wait_for_run` says. Raises TrainingRunFailed
    if the run failed, CancelledError if it was cancelled elsewhere, and BackendError.
    """
    report(0, _STEPS, "Sending the last labels")
    await _deliver(outbox)
    run = await wait_for_run(backend, await backend.train(), report, closing=closing)
    if run.state is RunState.CANCELLED:
        raise asyncio.CancelledError
    if run.state is RunState.FAILED:
        raise TrainingRunFailed(
            run.step or "The training run failed without saying why.",
            "The live version stays as it is, and the labels are kept for the next run.",
        )
    return run


async def wait_for_run(
    backend: BackendClient,
    run: TrainingRun,
    report: Report,
    *,
    closing: Callable[[], bool] = lambda: False,
) -> TrainingRun:
    """Return a run once it has finished, in whatever state that is; raises BackendError.

    Cancelling this cancels the run, unless that happens because the application is
    `closing`: the backend may go on without it.
    """
    try:
        while not run.state.finished:
            report(round(run.progress * _STEPS), _STEPS, step_sentence(run))
            await asyncio.sleep(_POLL_SECONDS)
            run = await backend.training_run(run.id)
    except asyncio.CancelledError:
        if not closing():
            with contextlib.suppress(BackendError):
                await backend.cancel_training(run.id)
        raise
    return run


async def _deliver(outbox: Outbox) -> None:
    """Wait until no label is on its way, but not forever: they are safe on disk."""
    empty = asyncio.Event()
    unsubscribe = outbox.subscribe(lambda view: None if view.pending else empty.set())
    try:
        if outbox.view.pending:
            outbox.retry_now()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LABELS_TIMEOUT):
                    await empty.wait()
    finally:
        unsubscribe()
