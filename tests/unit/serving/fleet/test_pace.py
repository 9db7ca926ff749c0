"""How often a fleet is observed, and when its instances are measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serving.engines.protocol import InstanceState
from serving.fleet.pace import (
    BUSY_POLL_SECONDS,
    IDLE_SECONDS,
    MEASURE_SECONDS,
    POLL_SECONDS,
    PROBE_SECONDS,
    WATCHED_POLL_SECONDS,
    Pace,
)
from serving.fleet.view import FleetView
from serving.models.faults import VersionFault
from tests.support.clock import ManualClock
from tests.support.fleet_views import fleet_view, instance_view

CALM = fleet_view(instance_view(1), instance_view(2))


def test_a_calm_fleet_is_observed_seldom_and_one_that_changes_often() -> None:
    pace = Pace(keeps_metrics=False, monotonic=ManualClock())
    assert pace.pause(CALM, settled=True) == IDLE_SECONDS
    assert pace.pause(CALM, settled=False) == BUSY_POLL_SECONDS


@pytest.mark.parametrize(
    "view",
    [
        replace(CALM, desired_count=3),
        replace(CALM, faults={"pets": VersionFault("It is damaged.", "")}),
        fleet_view(instance_view(1, InstanceState.FAILED)),
        fleet_view(instance_view(1, failure="It is slow to answer.")),
        fleet_view(replace(instance_view(1), load_errors={"pets": "no such file"})),
    ],
)
def test_what_is_wrong_is_looked_at_every_second(view: FleetView) -> None:
    pace = Pace(keeps_metrics=False, monotonic=ManualClock())
    assert pace.pause(view, settled=True) == POLL_SECONDS


def test_idle_instances_are_asked_seldom_whether_they_answer() -> None:
    clock = ManualClock()
    pace = Pace(keeps_metrics=False, monotonic=clock)
    assert pace.should_probe(IDLE_SECONDS, notified=False)
    assert not pace.should_probe(IDLE_SECONDS, notified=False)
    assert pace.should_probe(IDLE_SECONDS, notified=True)
    assert pace.should_probe(POLL_SECONDS, notified=False)
    clock.advance(PROBE_SECONDS - 1)
    assert not pace.should_probe(IDLE_SECONDS, notified=False)
    clock.advance(1)
    assert pace.should_probe(IDLE_SECONDS, notified=False)


def test_who_looks_sees_it_soon_and_what_instances_use() -> None:
    pace = Pace(keeps_metrics=False, monotonic=ManualClock())
    assert not pace.begin(0, CALM)
    with pace.observe_often():
        assert pace.begin(0, CALM)
        assert pace.pause(CALM, settled=True) == WATCHED_POLL_SECONDS
        assert pace.begin(3, CALM)
        assert pace.pause(CALM, settled=True) == POLL_SECONDS
    assert not pace.begin(3, CALM)


def test_metrics_are_kept_while_requests_come_and_now_and_then() -> None:
    clock = ManualClock()
    pace = Pace(keeps_metrics=True, monotonic=clock)
    assert pace.begin(0, CALM)
    assert not pace.begin(0, CALM)
    assert pace.begin(5, CALM)
    assert pace.pause(CALM, settled=True) == POLL_SECONDS
    assert pace.begin(5, fleet_view(instance_view(1, rate=2.0))), "its rate has to fall to 0"
    assert not pace.begin(5, CALM)
    clock.advance(MEASURE_SECONDS)
    assert pace.begin(5, CALM)
    assert pace.pause(CALM, settled=True) == IDLE_SECONDS
