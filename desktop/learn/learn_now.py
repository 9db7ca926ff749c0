"""What happens when a person asks the model to learn from the labels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from backend.client import BackendClient
from backend.contract import TrainingRun
from desktop.learn.outbox import Outbox
from desktop.training_runs import STEPS, check_succeeded, wait_for_run
from desktop.translation import tr
from serving.progress import Report

LABELS_TIMEOUT = 10.0
"""Seconds to wait for labels that are still on their way to the backend."""


async def learn_now(
    backend: BackendClient,
    outbox: Outbox,
    report: Report,
    *,
    model: str | None = None,
    closing: Callable[[], bool] = lambda: False,
) -> TrainingRun:
    """Start a training run on every label so far, and return it when it has succeeded.

    `model` learns; without one, the model that is current.

    Cancelling this cancels the run, as `wait_for_run` says. Raises TrainingRunFailed
    if the run failed, CancelledError if it was cancelled elsewhere, and BackendError.
    """
    report(0, STEPS, tr("Sending the last labels"))
    await deliver(outbox)
    run = await wait_for_run(backend, await backend.train(model), report, closing=closing)
    check_succeeded(run)
    return run


async def deliver(outbox: Outbox) -> None:
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
