"""Versions and runs on one timeline: each once, newest first."""

from __future__ import annotations

from backend.contract import RunState, TrainingRun, VersionSummary
from desktop.versions.timeline import TimelineEntry, active_run, entries


def version(number: int, hour: int, run: str | None = None) -> VersionSummary:
    created = f"2026-05-01T{hour:02}:00:00+00:00"
    return VersionSummary("pets", number, False, created, 0.9, "test files", ["cat"], None, run)


def run(name: str, state: RunState, hour: int, made: int | None = None) -> TrainingRun:
    created = f"2026-05-01T{hour:02}:00:00+00:00"
    finished = None if state in (RunState.QUEUED, RunState.RUNNING) else created
    return TrainingRun(name, "pets", state, created, finished, version=made)


def test_a_version_and_the_run_that_made_it_are_one_entry() -> None:
    first, second = version(1, 1), version(2, 3, run="a")
    made = run("a", RunState.SUCCEEDED, 3, made=2)
    assert entries([second, first], [made]) == [
        TimelineEntry(second, made),
        TimelineEntry(first, None),
    ]


def test_a_version_that_does_not_name_its_run_is_found_by_its_number() -> None:
    made = run("a", RunState.SUCCEEDED, 3, made=2)
    assert entries([version(2, 3)], [made]) == [TimelineEntry(version(2, 3), made)]


def test_runs_without_a_version_stand_between_the_versions_by_time() -> None:
    failed, cancelled = run("f", RunState.FAILED, 2), run("c", RunState.CANCELLED, 4)
    found = entries([version(1, 1), version(2, 3)], [cancelled, failed])
    assert [entry.key for entry in found] == ["run c", "version 2", "run f", "version 1"]


def test_runs_that_have_not_finished_or_are_not_listed_yet_are_skipped() -> None:
    going = run("a", RunState.RUNNING, 2)
    ahead = run("b", RunState.SUCCEEDED, 3, made=2)
    assert [entry.key for entry in entries([version(1, 1)], [ahead, going])] == ["version 1"]


def test_the_run_that_runs_comes_before_those_that_wait() -> None:
    early, late = run("q", RunState.QUEUED, 1), run("z", RunState.QUEUED, 3)
    running = run("r", RunState.RUNNING, 2)
    assert active_run([late, running, early]) == running
    assert active_run([late, early]) == early
    assert active_run([run("f", RunState.FAILED, 1)]) is None
