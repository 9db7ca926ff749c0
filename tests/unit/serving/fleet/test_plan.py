import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from serving.engines.protocol import InstanceState
from serving.fleet.plan import (
    BACK_OFF_SECONDS,
    FAILURE_MEMORY_SECONDS,
    STABLE_SECONDS,
    Desired,
    Observed,
    Replace,
    Start,
    Step,
    Stop,
    back_off,
    is_stable,
    plan,
)

NOW = 10_000.0
STATES = {
    "r": InstanceState.READY,
    "s": InstanceState.STARTING,
    "d": InstanceState.DRAINING,
    "f": InstanceState.FAILED,
    "x": InstanceState.STOPPED,
}


def seen(picture: str) -> list[Observed]:
    """`r1 s2 R3`: ready, starting, and ready with an old spec, oldest first."""
    return [
        Observed(
            id=word.lower(),
            state=STATES[word[0].lower()],
            spec_hash="old" if word[0].isupper() else "new",
            started=float(word[1:]),
        )
        for word in picture.split()
    ]


def stops(*ids: str) -> list[Step]:
    return [Stop(name) for name in ids]


@pytest.mark.parametrize(
    ("desired_count", "picture", "steps"),
    [
        (0, "", []),
        (2, "", [Start(), Start()]),
        (2, "r1", [Start()]),
        (2, "r1 s2", []),
        (2, "s1 s2", []),
        (2, "r1 r2", []),
        (1, "r1 r2 r3", stops("r2", "r3")),
        (1, "s1 r2", stops("s1")),
        (1, "s1 s2", stops("s2")),
        (0, "r1 s2", stops("r1", "s2")),
        (2, "r1 f2", [Replace("f2")]),
        (2, "f1 f2", [Replace("f1"), Replace("f2")]),
        (1, "r1 f2", stops("f2")),
        (1, "f1 f2", [Stop("f2"), Replace("f1")]),
        (0, "f1", stops("f1")),
        (3, "r1 f2", [Replace("f2"), Start()]),
        (1, "d1 r2", stops("d1")),
        (1, "d1", [Stop("d1"), Start()]),
        (1, "x1 r2", stops("x1")),
    ],
)
def test_the_plan_reaches_the_desired_count(
    desired_count: int, picture: str, steps: Sequence[Step]
) -> None:
    assert plan(Desired(desired_count, "new"), seen(picture), NOW) == list(steps)


@pytest.mark.parametrize(
    ("desired_count", "picture", "steps"),
    [
        (1, "R1", [Start()]),
        (1, "R1 s2", []),
        (1, "R1 r2", stops("r1")),
        (2, "R1 R2", [Start()]),
        (2, "R1 R2 s3", []),
        (2, "R1 R2 r3", stops("r1")),
        (2, "R1 r2", [Start()]),
        (2, "R1 r2 r3", stops("r1")),
        (2, "R1 s2", [Start()]),
        (2, "R1 s2 s3", []),
        (3, "R1 r2", [Start()]),
        (1, "S1", [Start()]),
        (1, "S1 s2", stops("s1")),
        (1, "R1 R2 R3", stops("r3")),
        (0, "R1", stops("r1")),
        (1, "R1 f2", [Replace("f2")]),
    ],
)
def test_an_outdated_instance_serves_until_its_successor_is_ready(
    desired_count: int, picture: str, steps: Sequence[Step]
) -> None:
    assert plan(Desired(desired_count, "new"), seen(picture), NOW) == list(steps)


def test_a_retiring_instance_is_exchanged_as_an_outdated_one_is() -> None:
    desired = Desired(1, "new", retiring=frozenset({"r1"}))
    assert plan(desired, seen("r1"), NOW) == [Start()]
    assert plan(desired, seen("r1 s2"), NOW) == []
    assert plan(desired, seen("r1 r2"), NOW) == [Stop("r1")]


@pytest.mark.parametrize("picture", ["r1 f2", "R1 f2"])
def test_in_its_back_off_a_failed_instance_is_neither_replaced_nor_forgotten(picture: str) -> None:
    desired = Desired(1 if picture[0] == "R" else 2, "new", failures=(NOW - 0.5,))
    assert plan(desired, seen(picture), NOW) == []
    assert plan(desired, seen(picture), NOW + 1) == [Replace("f2")]


def test_a_failed_instance_that_may_come_back_by_itself_is_waited_for() -> None:
    desired = Desired(desired_count=1, spec_hash="new")
    failed = Observed("a", InstanceState.FAILED, "new", 0.0, may_restart_until=10.0)
    assert plan(desired, [failed], now=9.0) == []
    assert plan(desired, [failed], now=10.0) == [Replace("a")]


def test_the_back_off_grows_and_is_forgotten() -> None:
    failures: list[float] = []
    pauses = []
    now = NOW
    for _ in range(len(BACK_OFF_SECONDS) + 20):
        pause = back_off(failures, now)
        pauses.append(pause)
        now += pause
        failures.append(now)
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[1:4] == [1, 2, 5]
    assert pauses[-1] == BACK_OFF_SECONDS[-1]
    assert back_off(failures, now + FAILURE_MEMORY_SECONDS) == 0


@pytest.mark.parametrize(
    ("failures", "started", "seconds", "stable"),
    [
        ((NOW - 60, NOW - 30), NOW - 30, STABLE_SECONDS, True),
        ((NOW - 60, NOW - 30), NOW - 29, STABLE_SECONDS + 1, True),
        ((NOW - 60, NOW - 30), NOW - 29, STABLE_SECONDS - 1, False),
        # It answers, but the one that keeps ending is another.
        ((NOW - 60, NOW - 30), NOW - 31, 1000.0, False),
        ((NOW - 60, NOW - 30), NOW - 59, 1000.0, False),
    ],
)
def test_a_replacement_that_lasts_ends_the_back_off(
    failures: tuple[float, ...], started: float, seconds: float, stable: bool
) -> None:
    assert is_stable(failures, started, seconds) is stable


def _further(each: Observed) -> Observed:
    starting = each.state is InstanceState.STARTING
    return replace(each, state=InstanceState.READY) if starting else each


@pytest.mark.parametrize("desired_count", range(4))
@pytest.mark.parametrize("picture", ["", "r1 r2", "R1 R2", "f1 s2 r3 R4", "d1 x2 f3", "S1 S2 S3"])
def test_a_plan_carried_out_again_and_again_comes_to_rest(desired_count: int, picture: str) -> None:
    """Instances that start are ready one look later; no step stops more than may go."""
    fleet = {each.id: each for each in seen(picture)}
    clock = NOW
    for _ in range(20):
        steps = plan(Desired(desired_count, "new"), list(fleet.values()), clock)
        if not steps and all(each.state is InstanceState.READY for each in fleet.values()):
            break
        ready_before = sum(each.state is InstanceState.READY for each in fleet.values())
        for step in steps:
            if isinstance(step, Stop | Replace):
                del fleet[step.instance_id]
            if isinstance(step, Start | Replace):
                clock += 1
                name = f"n{clock:.0f}"
                fleet[name] = Observed(name, InstanceState.STARTING, "new", clock)
        ready = sum(each.state is InstanceState.READY for each in fleet.values())
        assert ready >= min(desired_count, ready_before)
        fleet = {name: _further(each) for name, each in fleet.items()}
    assert len(fleet) == desired_count
    assert {each.spec_hash for each in fleet.values()} <= {"new"}
    assert all(each.state is not InstanceState.FAILED for each in fleet.values())


@pytest.mark.parametrize("count", range(1, 6))
def test_no_plan_stops_a_ready_instance_that_is_desired(count: int) -> None:
    """Whatever a change of the spec and of the count meet: any states, of either spec.

    KServe removed ready ones of the former revision in favour of new ones that were not ready.
    """
    for states in itertools.product("RrSs", repeat=count):
        picture = " ".join(f"{state}{number}" for number, state in enumerate(states, start=1))
        ready = {each.id for each in seen(picture) if each.state is InstanceState.READY}
        for desired_count in range(count + 2):
            steps = plan(Desired(desired_count, "new"), seen(picture), NOW)
            stopped = {step.instance_id for step in steps if isinstance(step, Stop)}
            assert len(ready - stopped) >= min(desired_count, len(ready)), (desired_count, picture)
