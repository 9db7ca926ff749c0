"""No fleet waits for a moment that was written down before the clock was set."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from serving.engines.protocol import InstanceState
from serving.fleet.plan import (
    BACK_OFF_SECONDS,
    FAILURE_MEMORY_SECONDS,
    Desired,
    Observed,
    Replace,
    back_off,
    plan,
)
from serving.fleet.record import FleetRecord, RecordFile

NOW = 1_800_000_000.0
DAY = 86_400.0
JUMPS = [60.0, DAY, 3650 * DAY]
FAILED = [Observed("a", InstanceState.FAILED, "new", NOW)]


@pytest.mark.parametrize("ahead", JUMPS)
def test_failures_of_the_future_keep_no_fleet_down(ahead: float) -> None:
    failures = (NOW + ahead,) * 9
    assert back_off(failures, NOW) == 0.0
    assert plan(Desired(1, "new", failures=failures), FAILED, NOW) == [Replace("a")]


@pytest.mark.parametrize("jump", [*JUMPS, *(-jump for jump in JUMPS)])
def test_whatever_the_clock_does_the_next_try_is_never_far_away(jump: float) -> None:
    record = FleetRecord(1)
    now = NOW
    for _ in range(5):
        record = record.after_failure(now)
        now += jump
        assert 0.0 <= back_off(record.failures, now) <= BACK_OFF_SECONDS[-1]
        assert len(record.failures) <= 5
    # It still waits for what happened by the clock as it is now.
    assert back_off(record.after_failure(now).failures, now) > 0.0


@pytest.mark.parametrize("ahead", JUMPS)
def test_what_the_clock_left_behind_is_forgotten(ahead: float) -> None:
    record = FleetRecord(1, failures=(NOW + ahead, NOW - FAILURE_MEMORY_SECONDS, NOW - 1))
    assert record.after_failure(NOW).failures == (NOW - 1, NOW)


@pytest.mark.parametrize("ahead", [31.0, *JUMPS, math.inf, math.nan])
def test_nobody_waits_long_for_one_that_may_come_back(ahead: float) -> None:
    failed = Observed("a", InstanceState.FAILED, "new", NOW, may_restart_until=NOW + ahead)
    assert plan(Desired(1, "new"), [failed], NOW) == [Replace("a")]


@pytest.mark.parametrize(
    ("written", "failures"),
    [
        ([NOW, NOW + DAY], (NOW, NOW + DAY)),
        ([-1.0, 0, "yesterday", None, True, [NOW], 12], (12.0,)),
        ([10**400, 1.5], (1.5,)),
    ],
)
def test_moments_that_are_none_do_not_damage_a_record(
    tmp_path: Path, written: list[Any], failures: tuple[float, ...]
) -> None:
    path = tmp_path / "fleet" / "fleet.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"wanted": 2, "failures": written}))
    record = RecordFile(path).read()
    assert (record.desired_count, record.failures) == (2, failures)
