from __future__ import annotations

from typing import Any

import pytest

from serving.engines.docker.usage import ContainerUsage, Reading, parse_timestamp

BEGAN = 1795397730.0


def answer(processor: int, system: int, memory: int = 500, **cached: int) -> dict[str, Any]:
    return {
        "read": "2026-11-23T01:35:40.000000000Z",
        "cpu_stats": {
            "cpu_usage": {"total_usage": processor},
            "system_cpu_usage": system,
            "online_cpus": 4,
        },
        "memory_stats": {"usage": memory, "stats": cached},
    }


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_cpu_use_is_measured_between_two_readings(clock: list[float]) -> None:
    use = ContainerUsage()
    first = use.add("c", answer(5 * 10**9, 100 * 10**9), BEGAN)
    assert first is not None
    assert first.cpu_percent == pytest.approx(50)
    clock[0] += 2
    second = use.add("c", answer(8 * 10**9, 108 * 10**9), BEGAN)
    assert second is not None
    assert second.cpu_percent == pytest.approx(150)


def test_a_recent_result_is_repeated(clock: list[float]) -> None:
    use = ContainerUsage()
    assert use.recent("c") is None
    stats = use.add("c", answer(1, 1), BEGAN)
    assert use.recent("c") is stats
    clock[0] += 1
    assert use.recent("c") is None
    use.keep_only(set())
    clock[0] -= 1
    assert use.recent("c") is None


def test_a_restarted_container_counts_from_its_start(clock: list[float]) -> None:
    use = ContainerUsage()
    use.add("c", answer(9 * 10**9, 100 * 10**9), BEGAN)
    clock[0] += 2
    again = use.add("c", answer(1 * 10**9, 110 * 10**9), BEGAN + 5)
    assert again is not None
    assert again.cpu_percent == pytest.approx(20)


@pytest.mark.parametrize(
    ("cached", "memory"),
    [
        ({"inactive_file": 200}, 300),
        ({"total_inactive_file": 100, "inactive_file": 1}, 400),
        ({}, 500),
        ({"inactive_file": 900}, 500),
    ],
)
def test_what_is_merely_cached_does_not_count_as_memory(
    cached: dict[str, int], memory: int
) -> None:
    reading = Reading.of(answer(1, 1, **cached))
    assert reading is not None
    assert reading.memory == memory


@pytest.mark.parametrize(
    "broken", [{}, {"cpu_stats": {}}, {"cpu_stats": {"cpu_usage": {"total_usage": 0}}}]
)
def test_a_container_that_does_not_run_uses_nothing(broken: dict[str, Any]) -> None:
    assert ContainerUsage().add("c", broken, BEGAN) is None


def test_engines_without_system_counters_are_measured_by_the_clock() -> None:
    before, after = answer(10**9, 0), answer(2 * 10**9, 0)
    after["read"] = "2026-11-23T01:35:42.000000000Z"
    first, second = Reading.of(before), Reading.of(after)
    assert first is not None
    assert second is not None
    assert second.percent_since(first) == pytest.approx(50)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-11-23T01:35:30.006472123Z", 1795397730.006472),
        ("2026-11-23T01:35:30Z", 1795397730.0),
        ("2026-11-23T02:35:30.5+01:00", 1795397730.5),
        ("0001-01-01T00:00:00Z", 0.0),
        ("", 0.0),
        ("soon", 0.0),
    ],
)
def test_time_stamps_are_read(stamp: str, expected: float) -> None:
    assert parse_timestamp(stamp) == pytest.approx(expected)
