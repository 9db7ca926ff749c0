"""Finds minima of smooth functions of many numbers, and of one.

SciPy has both, but importing `scipy.optimize` takes longer than all else that a training run
imports, and a run in a new process waits for it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_REMEMBERED = 10
"""Steps from which L-BFGS knows how the function curves."""
_ENOUGH = 1e-4
"""Share of the decrease that the slope promises, which a step must bring (Armijo)."""
_FLATTER = 0.9
"""What must be left at most of the slope along a step (Wolfe)."""
_TRIES = 20
"""Lengths of one step."""
_GOLDEN = (math.sqrt(5) - 1) / 2


def minimum(
    loss: Callable[[Doubles], tuple[float, Doubles]],
    start: Doubles,
    *,
    steps: int,
    gradient: float,
    decrease: float,
) -> Doubles:
    """Return where a convex function is least; `loss` returns its value and its gradient.

    Ends after so many steps, when no number of the gradient exceeds `gradient`, or when two steps
    in a row lower the value by less than `decrease`, relative to it if it exceeds 1. L-BFGS as
    Nocedal and Wright describe it (Numerical Optimization, 2006, algorithm 7.5).
    """
    at, (value, slope) = start, loss(start)
    history: deque[tuple[Doubles, Doubles, float]] = deque(maxlen=_REMEMBERED)
    was_small = False
    for _ in range(steps):
        if np.abs(slope).max(initial=0) <= gradient:
            break
        direction = _direction(slope, history)
        # Nothing is known of the curvature at first: a step of length 1 is not too long.
        length = 1.0 if history else min(1.0, 1 / float(np.linalg.norm(slope)))
        reached = _step(loss, at, value, slope, direction, length)
        if reached is None:  # rounding allows no better value
            break
        after, after_value, after_slope = reached
        moved, turned = after - at, after_slope - slope
        curvature = float(moved @ turned)
        if curvature > 1e-10 * float(turned @ turned):
            history.append((moved, turned, curvature))
        gained = value - after_value
        at, value, slope = after, after_value, after_slope
        is_small = gained <= decrease * max(abs(value), abs(value + gained), 1.0)
        if is_small and was_small:  # one alone may be a step in a poor direction
            break
        was_small = is_small
    return at


def _direction(slope: Doubles, history: deque[tuple[Doubles, Doubles, float]]) -> Doubles:
    """Return the slope, divided by the curvature that the last steps show, downwards."""
    direction = -slope
    shares = []
    for moved, turned, curvature in reversed(history):
        share = float(moved @ direction) / curvature
        shares.append(share)
        direction -= share * turned
    if history:
        _, turned, curvature = history[-1]
        direction *= curvature / float(turned @ turned)
    for (moved, turned, curvature), share in zip(history, reversed(shares), strict=True):
        direction += (share - float(turned @ direction) / curvature) * moved
    return direction


def _step(
    loss: Callable[[Doubles], tuple[float, Doubles]],
    at: Doubles,
    value: float,
    slope: Doubles,
    direction: Doubles,
    length: float,
) -> tuple[Doubles, float, Doubles] | None:
    """Return where a step ends that is neither too long nor too short, or None."""
    downwards = float(slope @ direction)
    shortest, longest = 0.0, math.inf
    best: tuple[Doubles, float, Doubles] | None = None
    for _ in range(_TRIES):
        after = at + length * direction
        after_value, after_slope = loss(after)
        if after_value > value + _ENOUGH * length * downwards:
            longest = length
        else:
            best = after, after_value, after_slope
            if float(after_slope @ direction) >= _FLATTER * downwards:
                break
            shortest = length
        length = 2 * length if longest == math.inf else (shortest + longest) / 2
    return best


def minimum_between(
    loss: Callable[[float], float], low: float, high: float, tolerance: float
) -> float:
    """Return where a function of one number with a single valley is least, by golden sections."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return (low + high) / 2
