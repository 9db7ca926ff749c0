"""Requests that wait until an instance can take one."""

from __future__ import annotations

import asyncio
import math
from collections import deque


class WaitQueue:
    """First come, first served. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def wait(self, seconds: float, *, again: bool) -> None:
        """Wait until woken, for `seconds` at most.

        With `again`, the request has waited before and takes its place at the front.
        """
        woken = asyncio.get_running_loop().create_future()
        if again:
            self._waiters.appendleft(woken)
        else:
            self._waiters.append(woken)
        try:
            await asyncio.wait({woken}, timeout=None if math.isinf(seconds) else seconds)
        except asyncio.CancelledError:
            # Whoever wakes a waiter gives it the free slot. One that was cancelled between
            # being woken and running again must pass it on, or nobody would use it.
            if woken.done():
                self.wake_one()
            raise
        finally:
            # Only a waiter that nobody woke is still in the queue.
            if not woken.done():
                woken.cancel()
                self._waiters.remove(woken)

    def wake_one(self) -> None:
        """Wake the request that has waited longest, if there is one."""
        if self._waiters:
            self._waiters.popleft().set_result(None)

    def wake_all(self) -> None:
        """Let every waiting request see what has changed."""
        while self._waiters:
            self.wake_one()
