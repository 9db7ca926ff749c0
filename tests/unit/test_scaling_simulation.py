"""The simulation of large fleets keeps to the laws of queues, and to what was measured."""

from __future__ import annotations

import random
from xml.etree import ElementTree

import pytest
import simpy

from serving.predict import balance
from serving.predict.balance import least_outstanding
from tests.benchmarks.scaling.balancing import RULES
from tests.benchmarks.scaling.figure import line_chart
from tests.benchmarks.scaling.processor import EventLoop, Processor
from tests.benchmarks.scaling.service_times import Measurement, ServiceTimes
from tests.benchmarks.scaling.simulate import (
    OURS,
    Machines,
    failures,
    one_machine,
    rolling_change,
    steady,
)
from tests.benchmarks.scaling_simulation import Simulation, check

TIMES = ServiceTimes(threads=2, caller=0.002, front=0.001, batch=0.0, photos=(0.017,))
CAPACITY = 2 / 0.018
"""Answers a second of two cores, without the callers."""


def machines(counted_from: float, rule: str = OURS, instances: int = 4) -> Machines:
    return Machines(
        TIMES,
        instances=instances,
        cores=2,
        load=0.6,
        capacity=CAPACITY,
        rule=rule,
        counted_from=counted_from,
    )


def test_cores_are_shared_among_groups_and_then_among_threads() -> None:
    environment = simpy.Environment()
    processor = Processor(environment, 2)
    ended: dict[str, float] = {}

    def run(name: str, work: float, threads: int, group: str) -> None:
        processor.run(work, threads, group, lambda: ended.update({name: environment.now}))

    run("large", 3.0, 4, "a")
    run("small", 1.0, 1, "b")
    environment.run()
    # Each group has a core until the small one ends, then the large one has both.
    assert ended == {"small": pytest.approx(1.0), "large": pytest.approx(2.0)}
    assert processor.used == pytest.approx(4.0)


def test_one_thread_gets_no_more_than_a_core() -> None:
    environment = simpy.Environment()
    processor = Processor(environment, 2)
    ended: list[float] = []
    loop = EventLoop(processor, "callers")
    for _ in range(2):
        loop.run(1.0, lambda: ended.append(environment.now))
    environment.run()
    assert ended == [pytest.approx(1.0), pytest.approx(2.0)]


def test_callers_that_never_pause_use_all_cores_and_obey_littles_law() -> None:
    found = one_machine(TIMES, instances=2, callers=16, cores=2, seconds=20, warm_up=2)
    assert found.cores_used == pytest.approx(2, rel=0.01)
    assert found.rate == pytest.approx(2 / 0.020, rel=0.02)
    assert found.mean * found.rate == pytest.approx(16, rel=0.02)


@pytest.mark.parametrize("rule", list(RULES))
def test_what_comes_is_answered_while_there_are_enough_instances(rule: str) -> None:
    found = steady(lambda at: machines(at, rule), 20)
    assert found.rate == pytest.approx(0.6 * 4 * CAPACITY, rel=0.05)
    assert found.failed == found.retried == 0
    assert 0.009 <= found.p50 <= found.p99


def test_the_clients_own_rule_is_the_one_that_is_simulated() -> None:
    assert id(RULES[OURS](random.Random(1))) == id(least_outstanding)
    at_random = steady(lambda at: machines(at, "random"), 20)
    assert steady(machines, 20).p99 < at_random.p99


def test_what_an_instance_loses_as_it_ends_is_answered_by_another() -> None:
    found = failures(machines, 0.25, [2.0], 10)
    assert found.retried > 0
    assert found.failed == 0
    assert found.rate == pytest.approx(0.6 * 4 * CAPACITY, rel=0.1)


def test_a_change_of_all_instances_loses_nothing() -> None:
    found = rolling_change(machines, 1, [2.0], 60)
    assert found.failed == found.retried == 0
    assert found.seconds == pytest.approx(8.0)


def test_the_same_seed_gives_the_same_figures() -> None:
    assert steady(machines, 5) == steady(machines, 5)


def test_calibrated_with_one_instance_it_says_what_two_and_four_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(balance, "MAX_OUTSTANDING", 8)  # as where it was measured
    measurement = Measurement.read()
    assert {each.instances for each in measurement.measured} == {1, 2, 4}
    assert check(Simulation(measurement, 1.0, ()))


def test_the_chart_is_a_valid_svg() -> None:
    text = line_chart("a < b", "instances", "ms", {"x": [(1, 1.0), (10, 3.0)], "y": [(1, 2.0)]})
    assert ElementTree.fromstring(text).tag.endswith("svg")
