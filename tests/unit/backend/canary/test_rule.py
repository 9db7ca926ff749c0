"""When a canary ends, and how."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from backend.canary.rule import (
    MAX_AGREEMENT,
    MIN_PHOTOS,
    MIN_TIMED,
    Tally,
    count,
    interval,
    outcome,
    required_agreement,
)
from backend.contract import Rule
from serving.models.canary import CanarySample, Failure

CLASSES = ("cat", "dog")
LATER = 1000.0


def sample(
    image: int, stable: str = "cat", canary: str = "cat", failed: Failure = Failure.NONE
) -> CanarySample:
    return CanarySample((1, 2), f"{image:064x}", (stable, canary), (10.0, 10.0), failed)


def test_photos_count_once_and_new_classes_are_no_disagreement() -> None:
    samples = [
        *(sample(1), sample(1, "cat", "dog")),  # the same photo, answered again
        *(sample(2), sample(3, "cat", "horse")),
        *(sample(4, "cat", "", Failure.CANARY), sample(5, "", "cat", Failure.STABLE)),
    ]
    tally = count(samples, CLASSES, {})
    assert (tally.requests, tally.photos, tally.agreements) == (6, 2, 1)
    assert (tally.canary_failures, tally.stable_failures) == (1, 1)


def test_labels_say_which_of_two_different_answers_is_right() -> None:
    samples = [sample(1, "cat", "dog"), sample(2, "dog", "cat"), sample(3, "cat", "horse")]
    labels = {sample(1).image: "cat", sample(2).image: "cat", sample(3).image: "horse"}
    tally = count(samples, CLASSES, labels)
    assert (tally.canary_right, tally.stable_right) == (2, 1)


def test_the_newest_times_count() -> None:
    slow = [replace(sample(each), milliseconds=(10.0, 100.0)) for each in range(100)]
    quick = [replace(sample(each), milliseconds=(10.0, 11.0)) for each in range(100, 200)]
    tally = count([*slow, *quick], CLASSES, {})
    assert (tally.timed, tally.slower) == (100, 0)
    assert (tally.canary_milliseconds, tally.stable_milliseconds) == (11.0, 10.0)


@pytest.mark.parametrize(
    ("tally", "promoted", "rule"),
    [
        (Tally(canary_failures=8), False, Rule.CANARY_FAILED),
        (Tally(photos=500, agreements=500, canary_failures=8), False, Rule.CANARY_FAILED),
        (Tally(photos=40, timed=100, slower=80), False, Rule.CANARY_SLOWER),
        (Tally(stable_right=8), False, Rule.CANARY_LABELS),
        (Tally(photos=9, agreements=2, canary_right=8), True, Rule.CANARY_LABELS),
        (Tally(photos=100, agreements=50), False, Rule.CANARY_AGREEMENT),
        (Tally(photos=100, agreements=97), True, Rule.CANARY_AGREEMENT),
    ],
)
def test_what_leaves_no_doubt_ends_it(tally: Tally, promoted: bool, rule: Rule) -> None:
    ended = outcome(tally, LATER)
    assert ended is not None
    assert (ended.promoted, ended.rule) == (promoted, rule)
    assert ended.because.endswith(".")


@pytest.mark.parametrize(
    "tally",
    [
        Tally(),
        Tally(canary_failures=7),
        Tally(canary_failures=8, stable_failures=8),
        Tally(timed=MIN_TIMED - 1, slower=MIN_TIMED - 1),
        Tally(stable_right=7),
        Tally(photos=100, agreements=85),
        Tally(photos=MIN_PHOTOS - 1, agreements=MIN_PHOTOS - 1),
        Tally(photos=MIN_PHOTOS - 1, agreements=0),
        Tally(photos=100, agreements=97, stable_right=1),
    ],
)
def test_what_may_be_chance_lets_it_go_on(tally: Tally) -> None:
    assert outcome(tally, LATER) is None


@pytest.mark.parametrize(
    ("tally", "promoted"),
    [
        (Tally(photos=MIN_PHOTOS - 1, agreements=MIN_PHOTOS - 1), False),
        (Tally(photos=100, agreements=85), True),
        (Tally(photos=100, agreements=79), False),
        (Tally(photos=100, agreements=97, stable_right=1), False),
        (Tally(photos=100, agreements=85, canary_failures=2, stable_failures=1), False),
    ],
)
def test_when_the_time_is_up_the_counts_decide(tally: Tally, promoted: bool) -> None:
    ended = outcome(tally, 0.0)
    assert ended is not None
    assert (ended.promoted, ended.rule) == (promoted, Rule.CANARY_TIME)


@pytest.mark.parametrize(
    ("accuracy", "required"), [(None, 0.8), (0.95, 0.8), (0.75, 0.65), (0.3, 0.5)]
)
def test_what_is_wanted_follows_the_accuracy_of_the_stable_version(
    accuracy: float | None, required: float
) -> None:
    assert required_agreement(accuracy) == pytest.approx(required)
    tally = Tally(photos=100, agreements=round(100 * required) + 18)
    ended = outcome(tally, LATER, required_agreement(accuracy))
    assert ended is not None
    assert ended.promoted


def test_an_interval_holds_the_share_and_narrows() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    widths = []
    for trials in (10, 100, 1000):
        low, high = interval(8 * trials // 10, trials)
        assert low < 0.8 < high
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert interval(10, 10)[1] == 1.0
    assert interval(0, 10)[0] == 0.0


def test_looking_after_every_request_is_wrong_no_oftener_than_stated() -> None:
    """A thousand canaries whose true agreement is just what is required, looked at all the time."""
    draw = random.Random(7)
    wrong = 0
    for _ in range(1000):
        agreements = 0
        for photos in range(1, 201):
            agreements += draw.random() < MAX_AGREEMENT
            if photos % 5 == 0:
                low, high = interval(agreements, photos)
                if not low <= MAX_AGREEMENT <= high:
                    wrong += 1
                    break
    assert wrong <= 50
