"""How many photos may be under way; more are refused before they are read."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backend.http_errors import HttpError

DEFAULT_QUEUE_LIMIT = 128
"""Half of the connections that a backend takes, so that the others stay for labels and events."""
QUEUE_LIMIT_VARIABLE = "SERVERY_QUEUE_LIMIT"
_MAX_RETRY_SECONDS = 60
_WINDOW = 64
"""How many of the newest answers the rate is measured over."""


class Places:
    """Those that one request holds of a queue."""

    def __init__(self, queue: RequestQueue) -> None:
        self._queue = queue
        self.count = 0

    def grow(self, count: int) -> None:
        """Hold `count` places, if that is more than it holds; raises HttpError 429 as `place`."""
        more = count - self.count
        if more > 0:
            self._queue.take(more, self.count)
            self.count = count


class RequestQueue:
    """Counts the photos under way; `clock` returns seconds."""

    def __init__(
        self, limit: int = DEFAULT_QUEUE_LIMIT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self.length = 0
        """Places that are held by requests that were admitted and are not answered yet."""
        self.refused = 0
        """Requests that there were no places for, or not enough."""
        self._clock = clock
        self._ends: deque[float] = deque(maxlen=_WINDOW)

    @contextmanager
    def place(self, count: int = 1) -> Iterator[Places]:
        """Hold `count` places for the length of the block; raises HttpError 429 if they are taken.

        What takes more than there are is admitted alone, rather than never.
        """
        places = Places(self)
        places.grow(count)
        try:
            yield places
        finally:
            self.length -= places.count
            self._ends.extend([self._clock()] * places.count)

    def take(self, count: int, held: int) -> None:
        """Take `count` more places for a request that holds `held`; raises HttpError 429."""
        others = self.length - held
        if others and self.length + count > self.limit:
            self.refused += 1
            raise HttpError(
                429,
                f"{others} of the {self.limit} places for photos that wait to be answered are"
                f" taken, and this request takes {held + count}.",
                "Send it again after the seconds that `Retry-After` says, or start more instances"
                " with `servery fleet start`.",
                retry_seconds=self._retry_seconds(others),
            )
        self.length += count

    def _retry_seconds(self, waiting: int) -> int:
        """Return in how many seconds what waits now is answered, by the rate so far."""
        if not self._ends:
            return 1
        seconds = max(self._clock() - self._ends[0], 0.001)
        return max(1, min(_MAX_RETRY_SECONDS, math.ceil(waiting * seconds / len(self._ends))))
