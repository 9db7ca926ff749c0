"""Who gets the next request."""

from __future__ import annotations

from dataclasses import dataclass

from serving.predict.balance import (
    MAX_OUTSTANDING,
    MUCH_OUTSTANDING,
    first_turn,
    least_outstanding,
    should_wake,
)


@dataclass
class Some:
    instance_id: str
    outstanding: int = 0
    turn: float = 0.0
    asleep: bool = False


def chosen(*able: Some, avoid: str = "") -> str | None:
    found = least_outstanding(able, avoid)
    return None if found is None else found.instance_id


def test_the_one_with_the_fewest_outstanding_requests_is_next() -> None:
    assert chosen(Some("a", 2), Some("b", 1), Some("c", 3)) == "b"


def test_of_equals_the_one_that_was_asked_longest_ago_is_next() -> None:
    assert chosen(Some("a", 1, turn=5), Some("b", 1, turn=4), Some("c", 2, turn=1)) == "b"


def test_none_has_more_than_it_may() -> None:
    full = Some("a", MAX_OUTSTANDING)
    assert chosen(full) is None
    assert chosen(full, Some("b", MAX_OUTSTANDING - 1)) == "b"
    assert chosen() is None


def test_the_one_to_avoid_is_asked_only_if_no_other_can_be() -> None:
    a, b = Some("a"), Some("b", MAX_OUTSTANDING - 1)
    assert chosen(a, b, avoid="a") == "b"
    b.outstanding += 1
    assert chosen(a, b, avoid="a") == "a"


def test_one_that_sleeps_is_asked_only_if_all_do() -> None:
    asleep, awake = Some("a", asleep=True), Some("b", MAX_OUTSTANDING - 1)
    assert chosen(asleep, awake) == "b"
    assert chosen(asleep) == "a"
    awake.outstanding += 1
    assert chosen(asleep, awake) is None


def test_sleepers_wake_once_the_others_have_much_to_do() -> None:
    asleep = Some("a", asleep=True)
    assert not should_wake([asleep])
    assert not should_wake([asleep, Some("b", MUCH_OUTSTANDING - 1), Some("c", MAX_OUTSTANDING)])
    assert should_wake([asleep, Some("b", MUCH_OUTSTANDING)])


def test_one_that_is_new_takes_its_turn_among_the_others_by_chance() -> None:
    known = [Some("a", turn=10.0), Some("b", turn=20.0)]
    turns = {first_turn(known) for _ in range(20)}
    assert len(turns) > 1
    assert all(10 <= turn <= 20 for turn in turns)
    assert all(0 <= first_turn([]) <= 1 for _ in range(20))
