"""Notifies every listener that something changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from backend.contract import Event

MAX_QUEUED = 64
"""Events kept for a slow listener; it fetches again what they name, so old ones add little."""


class EventBroker:
    """Passes every published event to every listener; never waits for one."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self._closed = False

    def publish(self, event: Event) -> None:
        """Pass `event` on. A listener that is far behind loses its oldest events."""
        self._put(event)

    async def listen(self, heartbeat: float) -> AsyncIterator[Event | None]:
        """Yield events from now on, and None after `heartbeat` seconds without one.

        Ends when the broker is closed.
        """
        if self._closed:
            return
        queue: asyncio.Queue[Event | None] = asyncio.Queue(MAX_QUEUED)
        self._listeners.add(queue)
        try:
            while True:
                try:
                    async with asyncio.timeout(heartbeat):
                        event = await queue.get()
                except TimeoutError:
                    yield None
                    continue
                if event is None:
                    return
                yield event
        finally:
            self._listeners.discard(queue)

    def close(self) -> None:
        """End every `listen`, so that connections can be closed."""
        self._closed = True
        self._put(None)

    def _put(self, event: Event | None) -> None:
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
