"""Versions and training runs on one timeline, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.contract import AuditEntry, RunState, TrainingRun, VersionSummary


@dataclass(frozen=True)
class TimelineEntry:
    """A version, with the run that made it if one did; or a run that made none."""

    version: VersionSummary | None
    run: TrainingRun | None
    last: AuditEntry | None = None
    """What was last done to the version."""

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


def entries(
    versions: Sequence[VersionSummary],
    runs: Sequence[TrainingRun],
    audit: Sequence[AuditEntry] = (),
) -> list[TimelineEntry]:
    """Pair each version with the run that made it, and add the runs that finished without one.

    `audit` says what was done to them, the newest first; decisions count. A run whose version
    is not in `versions` (yet) is skipped.
    """
    last: dict[int, AuditEntry] = {}
    for each in audit:
        if each.version is not None and each.what.is_decision:
            last.setdefault(each.version, each)
    by_id = {run.id: run for run in runs}
    by_version = {run.version: run for run in runs if run.version is not None}
    made = [
        TimelineEntry(
            each,
            by_id.get(each.training_run or "") or by_version.get(each.number),
            last.get(each.number),
        )
        for each in versions
    ]
    others = sorted(
        (TimelineEntry(None, run) for run in runs if run.version is None and run.state.finished),
        key=lambda entry: entry.when,
    )
    # Versions stay in the order of their numbers: one that was copied here may have any date.
    merged: list[TimelineEntry] = []
    for entry in sorted(made, key=lambda entry: entry.version.number if entry.version else 0):
        while others and entry.when and others[0].when < entry.when:
            merged.append(others.pop(0))
        merged.append(entry)
    return [*merged, *others][::-1]


def active_run(runs: Sequence[TrainingRun]) -> TrainingRun | None:
    """Return the run that is being worked on, or else the one that waits longest.

    One that fine-tunes takes minutes; others, which take seconds, come before it.
    """
    waiting = sorted(
        (run for run in runs if not run.state.finished),
        key=lambda run: (run.fine_tunes, run.created),
    )
    running = [run for run in waiting if run.state is RunState.RUNNING]
    return next(iter(running + waiting), None)
