"""Minima are found where SciPy finds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize

from backend.training.minimum import Doubles, minimum, minimum_between

Loss = Callable[[Doubles], tuple[float, Doubles]]


def logistic(size: int, scale: float) -> tuple[list[int], Loss]:
    random = np.random.default_rng(size)
    points = random.normal(size=(3 * size, size)) * np.geomspace(1, scale, size)
    truth = np.sign(random.normal(size=3 * size) + points[:, 0])
    calls: list[int] = []

    def loss(at: Doubles) -> tuple[float, Doubles]:
        calls.append(1)
        margins = truth * (points @ at)
        pull = -truth / (1 + np.exp(margins))
        value = np.logaddexp(0, -margins).mean() + 0.005 * at @ at
        return float(value), points.T @ pull / len(points) + 0.01 * at

    return calls, loss


@pytest.mark.parametrize(("size", "scale"), [(1, 1.0), (5, 1.0), (40, 0.1), (40, 30.0)])
def test_it_is_where_scipy_finds_it_in_no_more_evaluations(size: int, scale: float) -> None:
    calls, loss = logistic(size, scale)
    found = minimum(loss, np.zeros(size), steps=500, gradient=1e-6, decrease=0)
    ours = len(calls)
    options = {"gtol": 1e-6, "ftol": 0, "maxiter": 500}
    expected = minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B", options=options)
    assert np.allclose(found, expected.x, atol=1e-3)
    assert ours <= 1.3 * (len(calls) - ours) + 3


def test_it_ends_at_once_at_the_minimum_and_where_nothing_changes() -> None:
    start = np.array([3.0, -2.0])
    bowl = minimum(lambda at: (float(at @ at), 2 * at), start, steps=50, gradient=1e-9, decrease=0)
    assert np.allclose(bowl, 0)
    flat = minimum(lambda at: (1.0, 0 * at), start, steps=50, gradient=1e-9, decrease=0)
    assert flat is start
    # A slope that promises what no step keeps, as rounding makes it.
    wrong = minimum(lambda at: (1.0, at), start, steps=50, gradient=1e-9, decrease=0)
    assert wrong is start


@pytest.mark.parametrize("place", [-2.0, -1.5, 0.3, 2.0])
def test_the_valley_of_a_function_of_one_number(place: float) -> None:
    found = minimum_between(lambda at: abs(at - place) ** 1.5, -2.0, 2.0, 1e-4)
    assert found == pytest.approx(place, abs=1e-4)
