"""Requests that wait until an instance can take one."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class WaitQueue(Generic[T]):
    """First come, first served; belongs to one event loop.

    A waiter brings the function that takes what it waits for, and gets it in the moment in
    which it is woken: nobody who comes later can be quicker. `give_back` gets what was taken
    for a waiter that was cancelled in that moment.
    """

    def __init__(self, give_back: Callable[[T], None]) -> None:
        self._give_back = give_back
        self._waiters: deque[tuple[Callable[[], T | None], asyncio.Future[T | None]]] = deque()

    async def wait(self, take: Callable[[], T | None], seconds: float, *, again: bool) -> T | None:
        """Return what was taken for this waiter, or None after `seconds` or `wake_all`.

        With `again`, it has waited before and takes its place at the front. Raises what
        `take` raises.
        """
        woken: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        waiter = take, woken
        if again:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        try:
            await asyncio.wait({woken}, timeout=None if math.isinf(seconds) else seconds)
        except asyncio.CancelledError:
            if woken.done() and woken.exception() is None:
                taken = woken.result()
                if taken is not None:
                    self._give_back(taken)
            raise
        finally:
            # Only a waiter that nobody woke is still in the queue.
            if not woken.done():
                self._waiters.remove(waiter)
        return woken.result() if woken.done() else None

    def wake_one(self) -> None:
        """Wake the first waiter that can take something, if there is one."""
        for waiter in list(self._waiters):
            if self._wake(waiter, only_with_result=True):
                return

    def wake_all(self) -> None:
        """Let every waiter take something, or see what has changed."""
        for waiter in list(self._waiters):
            self._wake(waiter, only_with_result=False)

    def _wake(
        self,
        waiter: tuple[Callable[[], T | None], asyncio.Future[T | None]],
        *,
        only_with_result: bool,
    ) -> bool:
        take, woken = waiter
        try:
            taken = take()
        except Exception as error:
            self._waiters.remove(waiter)
            woken.set_exception(error)
            return False
        if taken is None and only_with_result:
            return False
        self._waiters.remove(waiter)
        woken.set_result(taken)
        return taken is not None
