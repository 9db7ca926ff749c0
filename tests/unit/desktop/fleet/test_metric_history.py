"""Charts show the last minutes, scaled honestly, and say the same in words."""

from __future__ import annotations

import pytest

from desktop.fleet.metric_history import (
    HISTORY_SECONDS,
    MAX_POINTS,
    SPARKLINE_SECONDS,
    Metric,
    MetricHistory,
    describe,
    milliseconds,
)
from serving.engines.protocol import InstanceState
from tests.support.fleet_views import fleet_view, instance_view


def test_the_last_minutes_and_the_last_hour_can_be_drawn() -> None:
    history = MetricHistory()
    for second in range(0, int(HISTORY_SECONDS) + 60, 10):
        history.add(fleet_view(instance_view(cpu=float(second))), now=float(second))
    minutes = history.points("instance-000001", Metric.CPU)
    assert [minutes[0].value, minutes[-1].value] == [
        HISTORY_SECONDS + 50 - SPARKLINE_SECONDS,
        HISTORY_SECONDS + 50,
    ]
    assert [minutes[0].at, minutes[-1].at] == [0.0, 1.0]
    hour = history.points("instance-000001", Metric.CPU, HISTORY_SECONDS)
    assert hour[-1].value == HISTORY_SECONDS + 50
    assert 0.0 <= hour[0].at < 0.01


def test_an_hour_has_few_points_and_still_every_peak() -> None:
    history = MetricHistory()
    for second in range(int(HISTORY_SECONDS)):
        peak = 90.0 if second == 1234 else 10.0
        history.add(fleet_view(instance_view(cpu=peak)), now=float(second))
    hour = history.points("instance-000001", Metric.CPU, HISTORY_SECONDS)
    assert len(hour) <= MAX_POINTS + 1
    assert [point.value for point in hour].count(90.0) == 1
    assert all(point.joined for point in hour[1:])


def test_a_time_of_which_nothing_is_known_is_a_gap_in_the_line() -> None:
    history = MetricHistory()
    for second in (*range(20), *range(100, 120)):
        history.add(fleet_view(instance_view()), now=float(second))
    joined = [point.joined for point in history.points("instance-000001", Metric.CPU)]
    assert joined[1:].count(False) == 1


def test_views_in_quick_succession_do_not_pile_up() -> None:
    history = MetricHistory()
    for step in range(101):
        history.add(fleet_view(instance_view(cpu=float(step))), now=step / 10)
    points = history.points("instance-000001", Metric.CPU)
    assert 10 <= len(points) <= 18
    assert points[-1].value == 100.0


def test_a_removed_instance_leaves_nothing_behind() -> None:
    history = MetricHistory()
    history.add(fleet_view(instance_view(1), instance_view(2)), now=0)
    history.add(fleet_view(instance_view(2)), now=1)
    history.add(fleet_view(instance_view(1), instance_view(2)), now=2)
    assert len(history.points("instance-000001", Metric.CPU)) == 1
    assert len(history.points("instance-000002", Metric.CPU)) == 3


def test_what_is_not_known_is_not_drawn() -> None:
    history = MetricHistory()
    history.add(fleet_view(instance_view(state=InstanceState.FAILED)), now=0)
    for metric in Metric:
        assert history.points("instance-000001", metric) == []
        assert describe(metric, []) == f"{metric.title}: not known yet"


def test_the_facts_of_a_chart_can_be_read() -> None:
    history = MetricHistory()
    for second, cpu in enumerate((5.0, 80.0, 12.0)):
        history.add(fleet_view(instance_view(cpu=cpu)), now=float(second * 10))
    points = history.points("instance-000001", Metric.CPU)
    assert describe(Metric.CPU, points) == "CPU: 12%, between 5% and 80% in the last 20 s"
    memory = history.points("instance-000001", Metric.MEMORY)
    assert describe(Metric.MEMORY, memory) == "Memory: 412 MB throughout the last 20 s"


@pytest.mark.parametrize(
    ("value", "text"), [(8.44, "8.4 ms"), (22.4, "22 ms"), (999.4, "999 ms"), (1240, "1.2 s")]
)
def test_times_are_written_in_milliseconds(value: float, text: str) -> None:
    assert milliseconds(value) == text
