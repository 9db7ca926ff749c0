"""A gain counts if it is more than chance."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.fine_tuning.comparison import compare_networks, is_better

PHOTOS = 100
ALONE = [np.array([index]) for index in range(PHOTOS)]


def right(count: int, first: int = 0) -> np.ndarray:
    return (np.arange(PHOTOS) >= first) & (np.arange(PHOTOS) < first + count)


@pytest.mark.parametrize(
    ("before", "after", "better"),
    [
        (right(80), right(90), True),
        (right(80), right(82), False),  # two photos more are nothing
        (right(80), right(80), False),
        (right(90), right(80), False),
        (right(80), right(81, 19), False),  # 19 lost and 20 gained
    ],
)
def test_only_a_clear_gain_is_better(before: np.ndarray, after: np.ndarray, better: bool) -> None:
    found = compare_networks(before, after, ALONE)
    assert found.photos == PHOTOS
    assert found.before == pytest.approx(before.mean())
    assert found.after == pytest.approx(after.mean())
    assert is_better(found) is better


def test_near_duplicates_count_once() -> None:
    shots = [np.arange(80), *(np.arange(80 + 10 * part, 90 + 10 * part) for part in range(2))]
    before, after = right(80), right(PHOTOS)
    assert compare_networks(before, after, ALONE).p < 0.001
    # Twenty photos are right at last, but they show two things.
    assert compare_networks(before, after, shots).p == pytest.approx(0.25, abs=0.02)


def test_chance_is_taken_for_a_gain_in_at_most_five_of_a_hundred_cases() -> None:
    generator = np.random.default_rng(1)
    luck = [generator.random((2, PHOTOS)) < 0.8 for _ in range(300)]
    found = sum(is_better(compare_networks(before, after, ALONE)) for before, after in luck)
    assert found <= 22  # 95% of 300 draws at 5%
