"""Which of the ready instances gets the next request: a pure rule."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from serving.tf.cores import core_count

MAX_OUTSTANDING = max(8, core_count())
"""Requests that one instance works on at a time. More wait in the client, where they can still
go to any instance: sent all at once they only slow each other down."""
MUCH_OUTSTANDING = MAX_OUTSTANDING // 2
"""Sleeping instances are woken once each instance that is awake works on so many requests."""


class Candidate(Protocol):
    """What the rule needs to know of an instance."""

    instance_id: str
    outstanding: int
    """Requests that this client has sent it and that it has not answered."""
    turn: float
    """Grows with each request; of equals, the one with the smallest is next in turn."""
    asleep: bool
    """It has to wake before it answers."""


C = TypeVar("C", bound=Candidate)


def least_outstanding(able: Iterable[C], avoid: str = "") -> C | None:
    """Return the instance with the fewest outstanding requests, in turn among equals.

    `able` are those that may get requests now. One that sleeps is taken only if all do, and that
    with id `avoid` only if no other can take the request. None if each has as many as it may.
    """
    everyone = list(able)
    # One that sleeps would answer later than any of the others.
    awake = [each for each in everyone if not each.asleep] or everyone
    free = [each for each in awake if each.outstanding < MAX_OUTSTANDING]
    preferred = [each for each in free if each.instance_id != avoid] or free
    return min(preferred, key=lambda each: (each.outstanding, each.turn), default=None)


def first_turn(others: Sequence[Candidate]) -> float:
    """Return the turn of an instance that is new to a client that knows `others`.

    It is drawn by chance: programs that learn of the same instances at the same moment would
    otherwise ask all of them in step, each instance by all programs at once.
    """
    turns = [each.turn for each in others] or [0.0, 1.0]
    return random.uniform(min(turns), max(turns))


def should_wake(able: Sequence[Candidate]) -> bool:
    """Say whether those that are awake have so much to do that the others are woken."""
    awake = [each.outstanding for each in able if not each.asleep]
    return bool(awake) and min(awake) >= MUCH_OUTSTANDING
