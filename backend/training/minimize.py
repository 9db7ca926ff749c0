"""The minimum of a smooth convex function, by limited-memory BFGS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from backend.training.head import Floats

Doubles = npt.NDArray[np.float64]
Array = TypeVar("Array", Floats, Doubles)
Function = Callable[[Array], tuple[float, Array]]
"""Parameters to the value and the gradient there, the gradient shaped as they are."""

_MEMORY = 10
_SUFFICIENT_DECREASE = 1e-4
"""Of the decrease that the slope promises (Armijo's condition)."""
_MIN_STEP = 1e-6


def minimize(function: Function[Array], start: Array, *, steps: int, tolerance: float) -> Array:
    """Return the parameters that minimize `function`, as far as `steps` steps get.

    Ends once the largest component of the gradient is below `tolerance`, or when no
    shorter step lowers the value any more. Deterministic; the value never rises. Computes
    in the precision of `start`.
    """
    point = start.copy()
    value, gradient = function(point)
    history: deque[tuple[Array, Array, float]] = deque(maxlen=_MEMORY)
    for _ in range(steps):
        if float(np.abs(gradient).max()) < tolerance:
            break
        direction = _direction(gradient, history)
        slope = float(np.vdot(direction, gradient))
        if slope >= 0:
            history.clear()
            direction, slope = -gradient, -float(np.vdot(gradient, gradient))
        length = 1.0 if history else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        while length > _MIN_STEP:
            candidate = point + length * direction
            new_value, new_gradient = function(candidate)
            if new_value <= value + _SUFFICIENT_DECREASE * length * slope:
                break
            length /= 2
        else:
            break
        step, change = candidate - point, new_gradient - gradient
        curvature = float(np.vdot(step, change))
        if curvature > 0:  # otherwise rounding dominates, and the direction might go up
            history.append((step, change, curvature))
        point, value, gradient = candidate, new_value, new_gradient
    return point


def _direction(gradient: Array, history: deque[tuple[Array, Array, float]]) -> Array:
    """Return the two-loop recursion's estimate of the Newton step."""
    direction = -gradient
    shares: list[float] = []
    for step, change, curvature in reversed(history):
        share = float(np.vdot(step, direction)) / curvature
        shares.append(share)
        direction = direction - share * change
    if history:
        _, change, curvature = history[-1]
        direction = direction * (curvature / float(np.vdot(change, change)))
    for (step, change, curvature), share in zip(history, reversed(shares), strict=True):
        back = float(np.vdot(change, direction)) / curvature
        direction = direction + (share - back) * step
    return direction
