"""Notifies every listener that something changed, and those that come back of what they missed."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from backend.contract import Event

MAX_PENDING = 64
"""Events kept for a slow listener; it fetches again what they name, so old ones add little."""
MAX_REPLAYED = 1024
"""Events that are sent again to a listener that reconnects; one that missed more has to fetch
everything."""
MISSED = Event("missed")
"""Says to a listener that there were more events than were kept for it."""


@dataclass(frozen=True)
class NumberedEvent:
    id: str
    """Of the connection: given back as `Last-Event-ID`, what came after it is told again."""
    event: Event


class EventBroker:
    """Passes every published event to every listener; never waits for one."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._closed = False
        self._own = secrets.token_hex(4)
        """Events of another program, and of another run of this one, have other ids."""
        self._latest = 0
        self._history: deque[tuple[int, Event]] = deque(maxlen=MAX_REPLAYED)
        self.pass_on: Callable[[Event], None] | None = None
        """Tells other programs what is published here."""

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def publish(self, event: Event) -> None:
        """Pass `event` on, once to a listener that has not taken the same one before it.

        A listener that is far behind loses its oldest events.
        """
        self.publish_here(event)
        if self.pass_on is not None:
            self.pass_on(event)

    def publish_here(self, event: Event) -> None:
        """Pass `event` on as `publish` does, but to listeners in this program alone."""
        self._latest += 1
        self._history.append((self._latest, event))
        for listener in self._listeners:
            listener.add(self._latest, event)

    async def _follow(
        self, listener: _Listener, heartbeat: float
    ) -> AsyncGenerator[tuple[int, Event] | None, None]:
        self._listeners.add(listener)
        try:
            if listener.missed:
                yield None
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

    async def listen(self, heartbeat: float) -> AsyncIterator[Event | None]:
        """Yield events from now on, and None after `heartbeat` seconds without one.

        Ends when the broker is closed.
        """
        following = self._follow(_Listener(), heartbeat)
        try:
            async for numbered in following:
                yield None if numbered is None else numbered[1]
        finally:
            await following.aclose()

    async def resume(self, last_id: str, heartbeat: float) -> AsyncIterator[NumberedEvent | None]:
        """Yield events as `listen` does, beginning with those after the one of `last_id`.

        MISSED comes first if those are not known any more, and wherever one that is slow lost
        some. With an empty `last_id`, only what is published from now on.
        """
        listener = _Listener()
        if last_id:
            last = self._number(last_id)
            if last is None or (self._history and self._history[0][0] > last + 1):
                listener.missed = True
            else:
                for number, event in self._history:
                    if number > last:
                        listener.add(number, event)
        following = self._follow(listener, heartbeat)
        try:
            async for numbered in following:
                if listener.missed:
                    listener.missed = False
                    yield NumberedEvent(f"{self._own}-{self._latest}", MISSED)
                if numbered is None:
                    yield None
                else:
                    yield NumberedEvent(f"{self._own}-{numbered[0]}", numbered[1])
        finally:
            await following.aclose()

    def _number(self, last_id: str) -> int | None:
        """Return the number of an event of this program; None for any other id."""
        own, _, number = last_id.partition("-")
        if own != self._own or not (number.isascii() and number.isdecimal() and len(number) < 19):
            return None
        return int(number) if int(number) <= self._latest else None

    def close(self) -> None:
        """End every `listen`, so that connections can be closed."""
        self._closed = True
        for listener in self._listeners:
            listener.changed.set()


class _Listener:
    def __init__(self) -> None:
        self.pending: dict[Event, int] = {}
        """In order, each once: the progress of a training run leaves room for the others.

        With the number of the first of its kind: who comes back after that is told all later ones.
        """
        self.changed = asyncio.Event()
        self.missed = False
        """Whether events were lost that it has not been told of."""

    def add(self, number: int, event: Event) -> None:
        if event not in self.pending:
            if len(self.pending) >= MAX_PENDING:
                self.take()
                self.missed = True
            self.pending[event] = number
        self.changed.set()

    def take(self) -> tuple[int, Event]:
        """Remove and return the oldest event."""
        event = next(iter(self.pending))
        return self.pending.pop(event), event
