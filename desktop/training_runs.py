"""Waits for training runs, whichever way in started them; knows no Qt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from backend.client import BackendClient
from backend.contract import RunState, TrainingRun
from desktop.backend_poll import ask_until_answered
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import BackendError, ServeryError
from serving.progress import Report

STEPS = 100
"""How finely the progress of a run is reported."""
_POLL_SECONDS = 0.5
"""Between two requests for the progress of a training run."""


class TrainingRunFailed(ServeryError):
    """A training run failed, so there is no version."""


async def wait_for_run(
    backend: BackendClient,
    run: TrainingRun,
    report: Report,
    *,
    closing: Callable[[], bool] = lambda: False,
) -> TrainingRun:
    """Return a run once it has finished, in whatever state that is.

    A backend that ends is waited for: the next one says what became of the run. Raises
    BackendError if none comes. Cancelling this cancels the run, unless that happens
    because the application is `closing`: the backend may go on without it.
    """
    try:
        while not run.state.finished:
            report(round(run.progress * STEPS), STEPS, step_sentence(run))
            await asyncio.sleep(_POLL_SECONDS)
            run = await ask_until_answered(partial(backend.training_run, run.id), _POLL_SECONDS)
    except asyncio.CancelledError:
        if not closing():
            with contextlib.suppress(BackendError):
                await backend.cancel_training(run.id)
        raise
    return run


def check_succeeded(run: TrainingRun) -> None:
    """Raise TrainingRunFailed if a finished run failed, CancelledError if it was cancelled."""
    if run.state is RunState.CANCELLED:
        raise asyncio.CancelledError
    if run.state is RunState.FAILED:
        raise TrainingRunFailed(
            translated(run.step) or tr("The training run failed without saying why."),
            tr("The live version stays as it is, and the labels are kept for the next run."),
        )


def step_sentence(run: TrainingRun) -> str:
    """Say what a run that has not finished is doing."""
    return translated(run.step) or (
        tr("Waiting for its turn.") if run.state is RunState.QUEUED else tr("Starting.")
    )
