"""What an engine is told that keeps and replaces instances by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serving.engines.protocol import InstanceState, ReplicatedService, UpdateState
from serving.fleet.plan import Apply, Desired, Observed, Step, Stop, plan_replicated

STATES = {
    "r": InstanceState.READY,
    "s": InstanceState.STARTING,
    "d": InstanceState.DRAINING,
    "f": InstanceState.FAILED,
}
TWO = ReplicatedService("new", 2)
OLD = ReplicatedService("old", 2)


def seen(picture: str) -> list[Observed]:
    return [Observed(word, STATES[word[0]], "new", float(word[1:])) for word in picture.split()]


@pytest.mark.parametrize(
    ("count", "service", "own", "others", "steps"),
    [
        (0, None, "", "", []),
        (2, None, "", "", [Apply(2)]),
        (2, TWO, "r1 r2", "", []),
        (2, TWO, "s1", "", []),
        (2, TWO, "r1 f2", "", []),
        (3, TWO, "r1 r2", "", [Apply(3)]),
        (1, TWO, "r1 r2", "", [Apply(1)]),
        (2, OLD, "r1 r2", "", [Apply(2)]),
        # The service goes once the last instance has ended.
        (0, TWO, "r1 r2", "", [Apply(0)]),
        (0, replace(TWO, count=0), "d1", "", []),
        (0, replace(TWO, count=0), "", "", [Apply(0)]),
        # The number changes once an update has come to its end, another spec at once.
        (3, replace(TWO, update=UpdateState.UPDATING), "r1 s2", "", []),
        (3, replace(TWO, update=UpdateState.ROLLING_BACK), "r1 s2", "", []),
        (3, replace(OLD, update=UpdateState.UPDATING), "r1 s2", "", [Apply(3)]),
        (0, replace(TWO, update=UpdateState.UPDATING), "r1 s2", "", [Apply(0)]),
        (3, replace(TWO, update=UpdateState.PAUSED), "r1 s2", "", [Apply(3)]),
        # Those of another engine go one by one once there are enough others.
        (2, TWO, "r1", "r3 r4", []),
        (2, TWO, "r1 r2", "r3 r4", [Stop("r3")]),
        (0, None, "", "r3 r4", [Stop("r3"), Stop("r4")]),
    ],
)
def test_the_count_and_spec_applied_to_the_engine(
    count: int, service: ReplicatedService | None, own: str, others: str, steps: list[Step]
) -> None:
    assert plan_replicated(Desired(count, "new"), service, seen(own), seen(others)) == steps


def test_what_was_taken_back_is_not_tried_again_until_a_person_says_so() -> None:
    refused = replace(OLD, update=UpdateState.ROLLED_BACK)
    desired = Desired(2, "new", applied_hash="new")
    assert plan_replicated(desired, refused, seen("r1 r2"), []) == []
    # Something else was taken back, before this was asked for.
    assert plan_replicated(Desired(2, "new"), refused, seen("r1 r2"), []) == [Apply(2)]
    assert plan_replicated(desired, OLD, seen("r1 r2"), []) == [Apply(2)]


def test_a_restart_replaces_every_instance_once() -> None:
    desired = Desired(2, "new", retiring=frozenset({"r1"}))
    assert plan_replicated(desired, TWO, seen("r1 r2"), []) == [Apply(2, restart=True)]
    updating = replace(TWO, update=UpdateState.UPDATING)
    assert plan_replicated(desired, updating, seen("r1 r2"), []) == []
    assert plan_replicated(desired, TWO, seen("r3 r4"), []) == []
