"""How often callers may ask, by a bucket of requests for each that fills up again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Bucket:
    left: float
    """Requests."""
    filled: float
    """When that was so, in seconds of the clock."""


class RateLimit:
    """Lets each caller ask so often a minute, all of that at once if it asked for none before.

    Counted in this process alone: several backends allow as much each.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def wait_seconds(self, caller: str, per_minute: int) -> int:
        """Count a request; returns 0 if it may be answered, else after how long the next may."""
        now = self._clock()
        bucket = self._buckets.setdefault(caller, _Bucket(per_minute, now))
        bucket.left = min(per_minute, bucket.left + (now - bucket.filled) * per_minute / 60)
        bucket.filled = now
        if bucket.left >= 1:
            bucket.left -= 1
            return 0
        return max(1, math.ceil((1 - bucket.left) * 60 / per_minute))

    def charge(self, caller: str, count: int) -> None:
        """Count one that was just answered as `count` more; the caller waits longer for the next.

        It is a debt: if it were refused, who may ask less often could never ask for as much.
        """
        self._buckets[caller].left -= count
