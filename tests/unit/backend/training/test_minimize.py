"""The minimum is found from anywhere, and the value never rises on the way."""

from __future__ import annotations

import numpy as np

from backend.training.head import Floats
from backend.training.minimize import minimize

CURVES = np.array([[1.0, 30.0], [0.1, 300.0]], np.float32)
LOWEST = np.array([[3.0, -2.0], [0.5, 7.0]], np.float32)


def bowl(point: Floats) -> tuple[float, Floats]:
    away = point - LOWEST
    return float(0.5 * np.vdot(CURVES * away, away)), CURVES * away


def test_the_minimum_of_an_ill_conditioned_function_is_found() -> None:
    start = np.full((2, 2), 50.0, np.float32)
    assert np.allclose(minimize(bowl, start, steps=100, tolerance=1e-4), LOWEST, atol=1e-2)


def test_the_value_never_rises_and_the_start_is_not_changed() -> None:
    start = np.full((2, 2), 50.0, np.float32)
    values = [
        bowl(minimize(bowl, start, steps=steps, tolerance=0.0))[0] for steps in (0, 1, 2, 5, 20)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]
    assert (start == 50.0).all()


def test_a_start_at_the_minimum_stays() -> None:
    assert np.array_equal(minimize(bowl, LOWEST, steps=10, tolerance=1e-6), LOWEST)
