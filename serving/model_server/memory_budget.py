"""How much memory the requests that are being answered take together, and no more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from serving.tf.status import Code, ServingError

LARGE_BYTES = 1 << 20
"""A request that takes more is worked on in a thread, and leaves room for small ones."""
_MUCH = 16 << 20
"""Bytes that the allocator may keep for later unless it is asked to return them."""
_TRIM_SECONDS = 1.0
_LARGE_SHARE = 0.8
"""How much of the budget large requests may take."""


class Share:
    """What one request takes of a `MemoryBudget`."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.size = self.peak = 0

    @property
    def is_large(self) -> bool:
        return self.size > LARGE_BYTES

    def grow(self, size: int) -> None:
        """Take `size` more bytes, before they are; raises ServingError (RESOURCE_EXHAUSTED)."""
        self._budget.take(size, self.size + size > LARGE_BYTES)
        self.size += size
        self.peak = max(self.peak, self.size)

    def expect(self, size: int) -> None:
        """Say that something else bounds, will take and free this many bytes for the request."""
        self.peak = max(self.peak, self.size + size)

    def shrink(self, size: int) -> None:
        """Give back that many bytes."""
        self._budget.give_back(size)
        self.size -= size


class MemoryBudget:
    """Bytes, estimated, of the requests in flight. Threads may share it.

    Those that do not fit are refused, not kept waiting: what waits takes memory too.
    """

    def __init__(self, max_bytes: int | None, trim: Callable[[], None] = lambda: None) -> None:
        """`trim` is called in a thread soon after a request that took much has ended."""
        self._max_bytes, self._trim = max_bytes, trim
        self._trimming: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self.used = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Yield a share, at first of no bytes, that is given back at the end of the block."""
        share = Share(self)
        try:
            yield share
        finally:
            share.shrink(share.size)
            if share.peak > _MUCH and (self._trimming is None or self._trimming.done()):
                self._trimming = asyncio.create_task(self._trim_soon())

    async def _trim_soon(self) -> None:
        # Later, since what the request took is still being freed.
        await asyncio.sleep(_TRIM_SECONDS)
        await asyncio.to_thread(self._trim)

    def take(self, size: int, large: bool) -> None:
        """Count `size` bytes as used; raises ServingError (RESOURCE_EXHAUSTED)."""
        limit = self._max_bytes
        with self._lock:
            if limit is None or self.used + size <= (limit * _LARGE_SHARE if large else limit):
                self.used += size
                return
        raise ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"The requests in flight would take more than {limit} bytes of memory. "
            "Send it again later, or in smaller parts.",
        )

    def give_back(self, size: int) -> None:
        """Count `size` bytes as free again."""
        with self._lock:
            self.used -= size


async def run(share: Share, work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `work` does; for a large request it does it in a thread."""
    if share.is_large:
        return await run_in_thread(work, *arguments)
    return work(*arguments)


async def run_in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `work` does in a thread.

    Cancelled, it ends when the thread has: what that takes must count until then.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        working.exception()
        raise
