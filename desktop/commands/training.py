"""Follows a training run on the terminal; Ctrl+C cancels it and says what stays."""

from __future__ import annotations

import asyncio
import contextlib

from backend.client import BackendClient
from backend.contract import RunState, TrainingRun
from desktop.commands.terminal import ProgressLine, print_message
from desktop.formats import plural
from desktop.training_runs import TrainingRunFailed, wait_for_run
from serving.errors import BackendError


async def run_to_its_end(
    client: BackendClient, run: TrainingRun, continue_with: str
) -> TrainingRun:
    """Return a run once it has succeeded; raises TrainingRunFailed if it does not.

    Ctrl+C, which cancels this, cancels the run. What stays of it is printed then, with
    `continue_with`, the sentence that says how to go on.
    """
    try:
        with ProgressLine() as report:
            run = await wait_for_run(client, run, report)
    except asyncio.CancelledError:
        kept = "What was labelled stays."
        with contextlib.suppress(BackendError):
            labels = await client.labels(run.model)
            kept = f"{plural(labels.total, 'label')} of {run.model} stay, and so does its version."
        print_message(f"Training run {run.id} was cancelled. {kept} {continue_with}")
        raise
    check_succeeded(run)
    return run


def check_succeeded(run: TrainingRun) -> None:
    """Raise TrainingRunFailed if a run failed or was cancelled."""
    if run.state in (RunState.FAILED, RunState.CANCELLED):
        raise TrainingRunFailed(
            f"Training run {run.id} {run.state.value}: {run.step or 'no reason given.'}"
        )
