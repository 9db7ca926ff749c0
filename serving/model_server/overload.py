"""Refuses requests that there is no room for, before they are read and at a bounded pace.

A caller that is refused at once tends to try again at once, and so does each of the others: then
the processor is busy with refusals instead of answers. So only a few of them a second are sent at
once, and the others are held for a moment. A held request is not read, which takes neither memory
nor time, and it is let in after all if there is room at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from serving.tf.status import Code, ServingError

RETRY_SECONDS = 1
"""After which a refused caller is told to try again."""
_A_SECOND = 32
"""Refusals that are sent at an even pace."""
_AT_ONCE = 32
"""Refusals that are sent without a pause, after a while without any."""
_MAX_HOLD_SECONDS = 2.0
"""No refusal is held for longer."""
_MAX_HELD = 2048
"""Beyond them nothing is held."""


class QueueFull(ServingError):
    """There are as many requests waiting for a version as may; try again later."""


class RefusalThrottle:
    """At which times refusals are sent; all times are in seconds by the caller's clock."""

    def __init__(self) -> None:
        self._next = float("-inf")
        """When the next one would be due if none were sent before its time."""

    def delay(self, now: float) -> float:
        """Return for how long to hold a refusal that is made now."""
        due = max(self._next, now - (_AT_ONCE - 1) / _A_SECOND)
        delay = due - now
        if delay >= _MAX_HOLD_SECONDS:
            # More callers than the pace has room for: it must not fall ever further behind.
            return _MAX_HOLD_SECONDS
        self._next = due + 1 / _A_SECOND
        return max(0.0, delay)


class Overload:
    """Decides over requests before they are read. Belongs to one event loop."""

    def __init__(self, code: Code) -> None:
        """`code` is that of refusals."""
        self._code = code
        self._pace = RefusalThrottle()
        self._held = 0

    async def admit(self, is_full: Callable[[], bool]) -> None:
        """Return if a request may be read; raises QueueFull, perhaps after a moment, if not."""
        if not is_full():
            return
        await self.hold()
        if is_full():
            raise QueueFull(
                self._code, "The batch scheduling queue is full, so the request was not read."
            )

    async def hold(self) -> None:
        """Return when a refusal may be sent."""
        delay = self._pace.delay(asyncio.get_running_loop().time())
        if delay <= 0 or self._held >= _MAX_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(delay)
        finally:
            self._held -= 1
