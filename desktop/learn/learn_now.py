"""What happens when a person asks the model to learn from the labels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from backend.client import BackendClient
from backend.contract import RunState, TrainingRun
from desktop.learn.outbox import Outbox
from desktop.learn.timeline import FINISHED
from serving.errors import BackendError, ServeryError
from serving.progress import Report

LABELS_TIMEOUT = 10.0
"""Seconds to wait for labels that are still on their way to the backend."""
_POLL_SECONDS = 0.5
"""Seconds between two looks at a training run."""
_STEPS = 100


class TrainingRunFailed(ServeryError):
    """A training run ended without a version."""


async def learn_now(
    backend: BackendClient,
    outbox: Outbox,
    report: Report,
    *,
    closing: Callable[[], bool] = lambda: False,
) -> TrainingRun:
    """Start a training run on every label given so far, and return it when it has ended.

    Cancelling this cancels the run, unless that happens because the application is
    `leaving`: the backend may go on without it. Raises TrainingFailed where the run
    failed, CancelledError where it was cancelled elsewhere, and BackendError.
    """
    report(0, _STEPS, "Sending the last labels")
    await _delivered(outbox)
    run = await backend.train()
    try:
        run = await _ended(backend, run, report)
    except asyncio.CancelledError:
        if not closing():
            with contextlib.suppress(BackendError):
                await backend.cancel_training(run.id)
        raise
    if run.state is RunState.CANCELLED:
        raise asyncio.CancelledError
    if run.state is RunState.FAILED:
        raise TrainingRunFailed(
            run.step or "The training run ended without saying why.",
            "The live version stays as it is, and the labels are kept for the next run.",
        )
    return run


async def _ended(backend: BackendClient, run: TrainingRun, report: Report) -> TrainingRun:
    while run.state not in FINISHED:
        report(round(run.progress * _STEPS), _STEPS, run.step)
        await asyncio.sleep(_POLL_SECONDS)
        run = await backend.training_run(run.id)
    return run


async def _delivered(outbox: Outbox) -> None:
    """Wait until no label is on its way, but not for ever: what waits stays safe."""
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
