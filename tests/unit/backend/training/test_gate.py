"""A version goes live unless it forgot."""

from __future__ import annotations

import pytest

from backend.contract import Rule
from backend.training.gate import judge
from backend.training.worker_protocol import Evaluation


def evaluation(base: float | None, new: float | None) -> Evaluation:
    return Evaluation(100, 0.5, 0.5, 100, new, base)


@pytest.mark.parametrize(
    ("base", "new", "passes"),
    [
        (0.9, 0.95, True),
        (0.9, 0.9, True),
        (0.9, 0.88, True),
        (0.9, 0.879, False),
        (0.9, 0.0, False),
        (None, None, True),
    ],
)
def test_the_margin(base: float | None, new: float | None, passes: bool) -> None:
    assert judge(evaluation(base, new)).passed == passes


@pytest.mark.parametrize(
    ("lost", "won", "passes"),
    [(1, 0, True), (3, 0, True), (4, 0, False), (9, 4, True), (10, 3, False), (300, 200, False)],
)
def test_a_fall_that_may_be_chance_holds_nothing_back(lost: int, won: int, passes: bool) -> None:
    fallen = Evaluation(20, 0.5, 0.5, 20, 0.5, 0.9, old_lost=lost, old_won=won)
    assert judge(fallen).passed == passes


def test_what_is_new_cannot_make_up_for_what_was_lost() -> None:
    better_overall = Evaluation(200, 0.9, 0.5, 100, 0.8, 0.95)
    verdict = judge(better_overall)
    assert verdict.rule is Rule.OLD_RECALL
    assert verdict.because
