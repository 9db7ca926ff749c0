"""Versions and training runs on one timeline, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.contract import RunState, TrainingRun, VersionSummary


@dataclass(frozen=True)
class TimelineEntry:
    """A version, with the run that made it if one did; or a run that made none."""

    version: VersionSummary | None
    run: TrainingRun | None

    @property
    def key(self) -> str:
        """Stays the same for as long as the entry exists."""
        if self.version is not None:
            return f"version {self.version.number}"
        return f"run {self.run.id}" if self.run is not None else ""

    @property
    def when(self) -> str:
        """UTC, ISO 8601."""
        if self.run is not None:
            return self.run.finished or self.run.created
        return self.version.created if self.version is not None else ""


def entries(versions: Sequence[VersionSummary], runs: Sequence[TrainingRun]) -> list[TimelineEntry]:
    """Pair each version with the run that made it, and add the runs that finished without one.

    A run whose version is not in `versions` (yet) is skipped.
    """
    by_id = {run.id: run for run in runs}
    by_version = {run.version: run for run in runs if run.version is not None}
    made = [
        TimelineEntry(each, by_id.get(each.training_run or "") or by_version.get(each.number))
        for each in versions
    ]
    made += [TimelineEntry(None, run) for run in runs if run.version is None and run.state.finished]
    return sorted(
        made,
        key=lambda entry: (entry.when, entry.version.number if entry.version else 0),
        reverse=True,
    )


def active_run(runs: Sequence[TrainingRun]) -> TrainingRun | None:
    """Return the run that is being worked on, or else the one that waits longest."""
    waiting = sorted((run for run in runs if not run.state.finished), key=lambda run: run.created)
    running = [run for run in waiting if run.state is RunState.RUNNING]
    return next(iter(running + waiting), None)
