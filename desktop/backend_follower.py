"""Keeps what a page shows up to date with the backend."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing

from backend.client import BackendClient
from backend.contract import Event
from desktop.translation import tr
from serving.errors import BackendError, ServeryError, system_error

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 60.0
"""After an error that is a defect, the delay doubles up to this one."""


class BackendFollower:
    """Listens to the backend's events and requests again what changed.

    Changes in quick succession are requested once, and the stream of events never waits
    for a request. Whatever fails is reported and tried again: a page never stays as it is
    because one request, or showing one answer, failed.
    """

    def __init__(
        self,
        backend: BackendClient,
        refresh: Mapping[str, Callable[[], Awaitable[None]]],
        *,
        on_event: Callable[[Event], None] = lambda event: None,
        on_error: Callable[[BackendError], None],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """`refresh` has what to do about each topic; it may raise BackendError, which
        `on_error` gets before it is tried again. Any other error of it, or of `on_event`, is
        logged, and `on_error` gets a sentence about it."""
        self._backend = backend
        self._refresh = dict(refresh)
        self._on_event = on_event
        self._on_error = on_error
        self._retry_seconds = retry_seconds
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
        delay = _Delay(self._retry_seconds)
        while True:
            try:
                async with aclosing(self._backend.events()) as events:
                    async for event in events:
                        self.mark_stale(event.topic)
                        self._on_event(event)
                        delay.reset()
            except BaseException as error:
                _raise_unless_survivable(error)
                await self._report_and_wait(error, delay)

    async def _refresh_stale(self) -> None:
        delay = _Delay(self._retry_seconds)
        while True:
            # Taken before the requests: what changes during them is requested again.
            self._changed.clear()
            stale, self._stale = self._stale, set()
            error = await self._refresh_topics(stale)
            if error is None:
                delay.reset()
                await self._changed.wait()
            else:
                await self._report_and_wait(error, delay)

    async def _refresh_topics(self, stale: Collection[str]) -> BaseException | None:
        """Refresh topics; returns the first error, after which those that failed are stale.

        A backend that refuses one or cannot be reached is not asked for the others.
        """
        first: BaseException | None = None
        for topic, refresh in self._refresh.items():
            if topic not in stale:
                continue
            try:
                await refresh()
            except BackendError as error:
                self._stale.update(stale)
                return first or error
            except BaseException as error:
                _raise_unless_survivable(error)
                self._stale.add(topic)
                first = first or error
        return first

    async def _report_and_wait(self, error: BaseException, delay: _Delay) -> None:
        if isinstance(error, BackendError):
            self._on_error(error)
            await asyncio.sleep(self._retry_seconds)
        else:
            log.error("Following the backend failed; it is tried again", exc_info=error)
            self._on_error(_as_backend_error(error))
            await asyncio.sleep(delay.next())


class _Delay:
    """Seconds until the next try after an error, each time twice as long."""

    def __init__(self, first: float) -> None:
        self._first = self._seconds = first

    def reset(self) -> None:
        self._seconds = self._first

    def next(self) -> float:
        seconds = self._seconds
        self._seconds = min(2 * seconds, MAX_RETRY_SECONDS)
        return seconds


def _raise_unless_survivable(error: BaseException) -> None:
    """Raise `error` again if it is to end this task.

    A CancelledError also comes from something that was waited for and that somebody else
    cancelled. A task group says nothing of a task that ends with it.
    """
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling():
        return
    if not isinstance(error, Exception):
        raise error


def _as_backend_error(error: BaseException) -> BackendError:
    """Return an error of ours, of the system, or inside Servery as one that a page shows."""
    known = error if isinstance(error, ServeryError) else system_error(error)
    if known is not None:
        return BackendError(known.what, known.advice)
    return BackendError(
        tr("What the backend has cannot be shown, because something went wrong inside Servery."),
        tr("It is tried again. The log says what failed."),
    )
