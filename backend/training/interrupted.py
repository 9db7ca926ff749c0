"""Ends the training runs that a backend left behind which was killed.

A run that had made no version, or one about which nothing was decided, has failed: such a version
is removed. One whose version is live, or was held back, had all but ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from dataclasses import replace

from backend.contract import Decision, Rule, RunState, TrainingRun
from backend.store.store import Store
from backend.training.gate import GATE
from serving.clock import utc_now
from serving.errors import ModelError
from serving.models.pruning import remove_version
from serving.models.repository import ModelRepository
from serving.models.version import Version

INTERRUPTED = "Servery ended before the training run did. Train again."

_log = logging.getLogger(__name__)


async def end_interrupted(
    store: Store, repository: ModelRepository, running: Collection[str]
) -> int:
    """End every unfinished run but those `running`; returns how many have failed.

    Raises BackendError if the database cannot be used; can be called again then.
    """
    for run in await store.runs.unfinished(running):
        version = await asyncio.to_thread(_made_by, repository, run)
        if version is None:
            continue
        live = await asyncio.to_thread(repository.live_number, run.model)
        if run.decision is not Decision.UNDECIDED or version.number == live:
            await _succeed(store, run, version)
            continue
        try:
            await asyncio.to_thread(remove_version, repository, run.model, version.number)
        except ModelError as error:
            _log.error("What training run %s left could not be removed: %s", run.id, error)
    return await store.runs.fail_interrupted(INTERRUPTED, running)


async def _succeed(store: Store, run: TrainingRun, version: Version) -> None:
    """Write what the killed backend could not write any more about a run that had decided."""
    if run.decision is Decision.UNDECIDED:
        # The gate alone promotes a version whose run goes on.
        run = run.with_decision(Decision.PROMOTED, Rule.PASSED, GATE, utc_now())
    with contextlib.suppress(ModelError):
        metrics = (await asyncio.to_thread(version.card)).metrics
        accuracy, base_accuracy = metrics.get("accuracy"), metrics.get("base_accuracy")
        run = replace(run, accuracy=accuracy, base_accuracy=base_accuracy)
    step = run.not_promoted_because or f"Version {version.number} is live."
    run = replace(run, version=version.number, progress=1.0, step=step)
    await store.runs.save(run)
    if not await store.runs.decisions(run.model, version.number):
        await store.runs.record_decision(
            run.model, version.number, run.decision, run.rule, GATE, run.not_promoted_because
        )
    # Last: a run that has not ended is looked at again.
    await store.runs.save(replace(run, state=RunState.SUCCEEDED, finished=utc_now()))


def _made_by(repository: ModelRepository, run: TrainingRun) -> Version | None:
    """Return the version that a run added to the repository, if it had come so far."""
    for version in reversed(repository.versions(run.model)):
        with contextlib.suppress(ModelError):
            if version.card().training_run == run.id:
                return version
    return None
