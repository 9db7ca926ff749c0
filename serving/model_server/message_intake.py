"""Receives gRPC messages, so that those half received take bounded memory together.

gRPC says nothing of a message before the last byte of it has arrived, and keeps what has: not
how large it will be, and not how much is there. So the memory of the process is looked at while
messages take long to arrive, and when they take too much, the newest of them are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from serving.model_server.memory_budget import MemoryBudget
from serving.tf.status import Code, ServingError

_SOON_SECONDS = 0.02
"""Messages of usual size arrive faster than that."""
_WAITS = 100
"""How often a call looks whether there is room, `_SOON_SECONDS` apart, before it is refused."""


class MessageIntake:
    """Belongs to one event loop. `allocated` returns the bytes that the process has in use."""

    def __init__(
        self, max_bytes: int | None, budget: MemoryBudget, allocated: Callable[[], int]
    ) -> None:
        """`max_bytes` may be taken by messages that are half received; None sets no limit."""
        self._max_bytes, self._budget, self._allocated = max_bytes, budget, allocated
        self._slow: dict[asyncio.Task[Any], None] = {}
        self._refused: set[asyncio.Task[Any]] = set()
        self._before = 0
        self._watching: asyncio.TimerHandle | None = None

    async def receive(self, read: Callable[[], Awaitable[Any]]) -> Any:
        """Return what `read` does; raises ServingError (RESOURCE_EXHAUSTED) without room."""
        for _ in range(_WAITS):
            if not self._slow or self._has_room():
                break
            await asyncio.sleep(_SOON_SECONDS)
        else:
            raise self._full()
        loop = asyncio.get_running_loop()
        reading = asyncio.ensure_future(read())
        timer = loop.call_later(_SOON_SECONDS, self._add_slow, reading)
        try:
            return await reading
        except asyncio.CancelledError:
            if reading in self._refused:
                raise self._full() from None
            raise
        finally:
            timer.cancel()
            self._slow.pop(reading, None)
            self._refused.discard(reading)

    def _add_slow(self, reading: asyncio.Task[Any]) -> None:
        if not self._slow:
            self._before = self._used()
        self._slow[reading] = None
        if self._watching is None:
            self._watch()

    def _watch(self) -> None:
        self._watching = None
        if not self._slow:
            return
        if not self._has_room():
            newest = [reading for reading in self._slow if reading not in self._refused]
            for reading in newest[len(newest) // 2 :]:
                self._refused.add(reading)
                reading.cancel()
        self._watching = asyncio.get_running_loop().call_later(_SOON_SECONDS, self._watch)

    def _has_room(self) -> bool:
        return self._max_bytes is None or self._used() - self._before <= self._max_bytes

    def _used(self) -> int:
        # Without what requests take that have been received: the budget bounds that.
        return self._allocated() - self._budget.used

    def _full(self) -> ServingError:
        return ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"Messages that are being received take more than {self._max_bytes} bytes. "
            "Send it again later.",
        )
