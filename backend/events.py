"""Notifies every listener that something changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from backend.contract import Event

MAX_PENDING = 64
"""Events kept for a slow listener; it fetches again what they name, so old ones add little."""


class EventBroker:
    """Passes every published event to every listener; never waits for one."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._closed = False

    def publish(self, event: Event) -> None:
        """Pass `event` on, once to a listener that has not taken the same one before it.

        A listener that is far behind loses its oldest events.
        """
        for listener in self._listeners:
            listener.add(event)

    async def listen(self, heartbeat: float) -> AsyncIterator[Event | None]:
        """Yield events from now on, and None after `heartbeat` seconds without one.

        Ends when the broker is closed.
        """
        listener = _Listener()
        self._listeners.add(listener)
        try:
            while True:
                while listener.pending:
                    yield listener.take()
                if self._closed:
                    return
                try:
                    async with asyncio.timeout(heartbeat):
                        await listener.changed.wait()
                except TimeoutError:
                    yield None
                listener.changed.clear()
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every `listen`, so that connections can be closed."""
        self._closed = True
        for listener in self._listeners:
            listener.changed.set()


class _Listener:
    def __init__(self) -> None:
        self.pending: dict[Event, None] = {}
        """In order, each once: the progress of a training run leaves room for the others."""
        self.changed = asyncio.Event()

    def add(self, event: Event) -> None:
        if event not in self.pending and len(self.pending) >= MAX_PENDING:
            self.take()
        self.pending[event] = None
        self.changed.set()

    def take(self) -> Event:
        """Remove and return the oldest event."""
        event = next(iter(self.pending))
        del self.pending[event]
        return event
