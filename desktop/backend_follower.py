"""Keeps what a page shows up to date with the backend."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing

from backend.client import BackendClient
from backend.contract import Event
from serving.errors import BackendError

RETRY_SECONDS = 2.0


class BackendFollower:
    """Listens to the backend's events and requests again what changed.

    Changes in quick succession are requested once, and the stream of events never waits
    for a request.
    """

    def __init__(
        self,
        backend: BackendClient,
        refresh: Mapping[str, Callable[[], Awaitable[None]]],
        *,
        on_event: Callable[[Event], None] = lambda event: None,
        on_error: Callable[[BackendError], None],
    ) -> None:
        """`refresh` has what to do about each topic; it may raise BackendError, which
        `on_error` gets before it is tried again."""
        self._backend = backend
        self._refresh = dict(refresh)
        self._on_event = on_event
        self._on_error = on_error
        self._stale: set[str] = set(refresh)
        self._changed = asyncio.Event()

    def mark_stale(self, *topics: str) -> None:
        """Have topics requested again, in the order of `refresh`."""
        self._stale.update(topics)
        self._changed.set()

    async def run(self) -> None:
        """Refresh everything, then whatever changes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._refresh_stale())

    async def _listen(self) -> None:
        try:
            async with aclosing(self._backend.events()) as events:
                async for event in events:
                    self._on_event(event)
                    self.mark_stale(event.topic)
        except BackendError as error:
            self._on_error(error)

    async def _refresh_stale(self) -> None:
        while True:
            # Taken before the requests: what changes during them is requested again.
            self._changed.clear()
            stale, self._stale = self._stale, set()
            try:
                for topic, refresh in self._refresh.items():
                    if topic in stale:
                        await refresh()
            except BackendError as error:
                self._on_error(error)
                self._stale |= stale
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await self._changed.wait()
