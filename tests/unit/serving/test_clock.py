"""Moments that were written down are believed only as far as they can be true."""

from __future__ import annotations

import math
from typing import Any

import pytest

from serving.clock import Sightings, age, epoch_seconds, recent

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (12, 12.0),
        (12.5, 12.5),
        (-1, 0.0),
        (0, 0.0),
        (math.nan, 0.0),
        (math.inf, 0.0),
        (-math.inf, 0.0),
        ("12", 0.0),
        (None, 0.0),
        (True, 0.0),
        ([12], 0.0),
        (10**400, 0.0),
    ],
)
def test_what_a_file_holds_as_a_moment(raw: Any, seconds: float) -> None:
    assert epoch_seconds(raw) == seconds


@pytest.mark.parametrize("ahead", [1.0, DAY, 3650 * DAY, math.inf, math.nan])
def test_the_future_is_not_believed(ahead: float) -> None:
    assert age(NOW + ahead, NOW, 60.0) is None


@pytest.mark.parametrize("ago", [60.0, DAY, 3650 * DAY])
def test_what_is_too_long_ago_does_not_count(ago: float) -> None:
    assert age(NOW - ago, NOW, 60.0) is None


def test_what_is_recent_counts() -> None:
    assert age(NOW, NOW, 60.0) == 0.0
    assert recent([NOW - 61, NOW - 59, NOW + 1, math.nan, NOW - 1], NOW, 60.0) == (
        NOW - 59,
        NOW - 1,
    )


def test_how_long_things_were_seen() -> None:
    sightings = Sightings()
    assert sightings.seconds("a", 10.0) == 0.0
    assert sightings.seconds("a", 15.0) == 5.0
    assert sightings.seconds("b", 15.0) == 0.0
    sightings.keep_only(["b"])
    assert sightings.seconds("a", 20.0) == 0.0
    assert sightings.seconds("b", 20.0) == 5.0
