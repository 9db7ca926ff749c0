"""How many requests an instance answered, how fast, and how many it lost."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 10.0
"""The rate is counted over this long."""
MAX_LATENCIES = 200
"""The 95th percentile is taken over this many latest answers."""


@dataclass(frozen=True)
class InstanceTraffic:
    """What one client has sent to one instance since it first used it."""

    requests: int = 0
    """Sent and finished, with any outcome."""
    failures: int = 0
    """Of these, lost by the instance: unreachable, ended, or an error of the server."""
    requests_per_second: float = 0.0
    p95_milliseconds: float | None = None
    """None until something was answered."""
    outstanding: int = 0
    """Sent and not finished."""
    seconds_since_answer: float | None = None


class TrafficMeter:
    """Counts the requests to one instance."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._created = clock()
        self._requests = 0
        self._failures = 0
        self._finished: deque[float] = deque()
        self._milliseconds: deque[float] = deque(maxlen=MAX_LATENCIES)
        self._last_answer: float | None = None

    def answered(self, milliseconds: float) -> None:
        """Count a request that the instance answered, with a result or an error."""
        self._count()
        self._last_answer = self._clock()
        self._milliseconds.append(milliseconds)

    def failed(self) -> None:
        """Count a request that the instance lost."""
        self._count()
        self._failures += 1

    def read(self, outstanding: int) -> InstanceTraffic:
        """Return the counts as of now."""
        now = self._clock()
        self._forget(now)
        elapsed = min(WINDOW_SECONDS, max(1.0, now - self._created))
        return InstanceTraffic(
            requests=self._requests,
            failures=self._failures,
            requests_per_second=len(self._finished) / elapsed,
            p95_milliseconds=_percentile_95(self._milliseconds),
            outstanding=outstanding,
            seconds_since_answer=None if self._last_answer is None else now - self._last_answer,
        )

    def _count(self) -> None:
        now = self._clock()
        self._requests += 1
        self._finished.append(now)
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._finished and self._finished[0] < now - WINDOW_SECONDS:
            self._finished.popleft()


def _percentile_95(values: deque[float]) -> float | None:
    if not values:
        return None
    ranked = sorted(values)
    return ranked[math.ceil(0.95 * len(ranked)) - 1]
