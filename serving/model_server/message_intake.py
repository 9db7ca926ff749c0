"""Receives gRPC messages, so that those half received take bounded memory.

gRPC says nothing of a message before the last byte of it has arrived, and keeps what has: not
how large it will be, and not how much is there. So the memory of the process is looked at while
messages take long to arrive, and when they take too much, the newest of them are refused.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

from serving.model_server.memory_budget import MemoryBudget
from serving.tf.status import Code, ServingError

_SOON_SECONDS = 0.02
"""Messages of usual size arrive within this time."""
_STARTING = 4
"""Messages that begin to be received at a time; a slow one soon makes room for the next."""
_SLOW_SHARE = 0.5
"""Of what may be taken; beyond it slow messages are refused, so that others can still begin."""
_LOOKS = 2
"""Looks within which a small message arrives even while the process is slow."""
_MEASURED_SECONDS = 5.0
"""After which what the process takes without requests is found out again."""
_WAITS = 100
"""How often a call looks whether there is room, `_SOON_SECONDS` apart, before it is refused."""


class MessageIntake:
    """Belongs to one event loop. `allocated` returns the bytes that the process has in use."""

    def __init__(
        self,
        max_bytes: int | None,
        budget: MemoryBudget,
        allocated: Callable[[], int],
        is_loading: Callable[[], bool] = lambda: False,
    ) -> None:
        """All requests may take `max_bytes` while messages arrive; None sets no limit.

        Those that have been received are in `budget`. `is_loading` says whether the process
        takes memory for a version; no message is refused for that.
        """
        self._max_bytes, self._budget, self._allocated = max_bytes, budget, allocated
        self._is_loading = is_loading
        self._starting = asyncio.Semaphore(_STARTING)
        self._slow: dict[asyncio.Task[Any], int] = {}
        self._refused: set[asyncio.Task[Any]] = set()
        self._before, self._measured = 0, -math.inf
        self._watching: asyncio.TimerHandle | None = None

    async def receive(self, read: Callable[[], Awaitable[Any]]) -> Any:
        """Return what `read` does; raises ServingError (RESOURCE_EXHAUSTED) without room."""
        await self._starting.acquire()
        try:
            await self._wait_for_room()
        except BaseException:
            self._starting.release()
            raise
        # A task of its own, so that it can be refused without cancelling the caller.
        reading = asyncio.ensure_future(read())
        timer = asyncio.get_running_loop().call_later(_SOON_SECONDS, self._add_slow, reading)
        try:
            return await reading
        except asyncio.CancelledError:
            if reading in self._refused:
                raise self._full() from None
            raise
        finally:
            timer.cancel()
            if reading not in self._slow:  # else `_add_slow` has released it already
                self._starting.release()
            self._slow.pop(reading, None)
            self._refused.discard(reading)

    async def _wait_for_room(self) -> None:
        for _ in range(_WAITS):
            if not self._slow or self._has_room():
                return
            await asyncio.sleep(_SOON_SECONDS)
        raise self._full()

    def _add_slow(self, reading: asyncio.Task[Any]) -> None:
        if not self._slow:
            self._measure()
        self._slow[reading] = 0
        self._starting.release()
        if self._watching is None:
            self._watch()

    def _measure(self) -> None:
        """Find out what the process takes without requests."""
        now = asyncio.get_running_loop().time()
        without = self._allocated() - self._budget.used
        if now - self._measured < _MEASURED_SECONDS:
            # What the last ones took may not be free yet.
            without = min(without, self._before)
        else:
            self._measured = now
        self._before = without

    def _watch(self) -> None:
        self._watching = None
        if not self._slow:
            return
        for reading in self._slow:
            self._slow[reading] += 1
        if not self._has_room(_SLOW_SHARE):
            newest = [
                reading
                for reading, looks in self._slow.items()
                if looks >= _LOOKS and reading not in self._refused
            ]
            # Dictionaries keep their order, so the later half is the newer. Half at a time: what
            # those took is free only after a while.
            for reading in newest[len(newest) // 2 :]:
                self._refused.add(reading)
                reading.cancel()
        self._watching = asyncio.get_running_loop().call_later(_SOON_SECONDS, self._watch)

    def _has_room(self, share: float = 1.0) -> bool:
        if self._max_bytes is None:
            return True
        if self._is_loading():
            # What a version takes counts as what the process takes without requests.
            self._before = self._allocated() - self._budget.used
            return True
        return self._allocated() - self._before <= share * self._max_bytes

    def _full(self) -> ServingError:
        return ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"With the messages that are being received, requests take more than "
            f"{self._max_bytes} bytes. Send it again later.",
        )
