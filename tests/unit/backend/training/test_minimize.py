"""The lowest point is found, from anywhere, and the way never leads up."""

from __future__ import annotations

import numpy as np

from backend.training.head import Floats
from backend.training.minimize import minimize

CURVES = np.array([[1.0, 30.0], [0.1, 300.0]], np.float32)
LOWEST = np.array([[3.0, -2.0], [0.5, 7.0]], np.float32)


def bowl(point: Floats) -> tuple[float, Floats]:
    away = point - LOWEST
    return float(0.5 * np.vdot(CURVES * away, away)), CURVES * away


def test_a_long_narrow_bowl_is_gone_down_to_its_bottom() -> None:
    start = np.full((2, 2), 50.0, np.float32)
    assert np.allclose(minimize(bowl, start, steps=100, tolerance=1e-4), LOWEST, atol=1e-2)


def test_it_never_goes_up_and_leaves_the_start_alone() -> None:
    start = np.full((2, 2), 50.0, np.float32)
    values = [
        bowl(minimize(bowl, start, steps=steps, tolerance=0.0))[0] for steps in (0, 1, 2, 5, 20)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]
    assert (start == 50.0).all()


def test_at_the_bottom_nothing_moves() -> None:
    assert np.array_equal(minimize(bowl, LOWEST, steps=10, tolerance=1e-6), LOWEST)
