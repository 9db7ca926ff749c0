"""The lowest point of a smooth convex function, by limited-memory BFGS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from backend.training.head import Floats

Function = Callable[[Floats], tuple[float, Floats]]
"""Parameters to the value and the gradient there, the gradient shaped as they are."""

_MEMORY = 10
_SUFFICIENT = 1e-4
_SHORTEST = 1e-6


def minimize(function: Function, start: Floats, *, steps: int, tolerance: float) -> Floats:
    """Return parameters where `function` is lowest, or as low as `steps` steps reach.

    Ends once the largest part of the gradient is below `tolerance`, or when no
    shorter step goes down any more. Deterministic; the value never rises.
    """
    point = start.astype(np.float32, copy=True)
    value, gradient = function(point)
    history: deque[tuple[Floats, Floats, float]] = deque(maxlen=_MEMORY)
    for _ in range(steps):
        if float(np.abs(gradient).max()) < tolerance:
            break
        direction = _direction(gradient, history)
        slope = float(np.vdot(direction, gradient))
        if slope >= 0:
            history.clear()
            direction, slope = -gradient, -float(np.vdot(gradient, gradient))
        length = 1.0 if history else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        while length > _SHORTEST:
            candidate = point + np.float32(length) * direction
            new_value, new_gradient = function(candidate)
            if new_value <= value + _SUFFICIENT * length * slope:
                break
            length /= 2
        else:
            break
        moved, turned = candidate - point, new_gradient - gradient
        bend = float(np.vdot(moved, turned))
        if bend > 0:
            history.append((moved, turned, bend))
        point, value, gradient = candidate, new_value, new_gradient
    return point


def _direction(gradient: Floats, history: deque[tuple[Floats, Floats, float]]) -> Floats:
    direction = -gradient
    shares: list[float] = []
    for moved, turned, bend in reversed(history):
        share = float(np.vdot(moved, direction)) / bend
        shares.append(share)
        direction = direction - np.float32(share) * turned
    if history:
        _, turned, bend = history[-1]
        direction = direction * np.float32(bend / float(np.vdot(turned, turned)))
    for (moved, turned, bend), share in zip(history, reversed(shares), strict=True):
        back = float(np.vdot(turned, direction)) / bend
        direction = direction + np.float32(share - back) * moved
    return direction
