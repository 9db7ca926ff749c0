"""Streams of the engine, each read by a thread of its own that is ended from outside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from serving.engines.docker.errors import LIBRARY_ERRORS, translate_errors

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

JOIN_TIMEOUT_SECONDS = 5.0


class Closable(Protocol[T_co]):
    """Something to iterate over that another thread may end."""

    def __iter__(self) -> Iterator[T_co]: ...

    def close(self) -> None: ...


class StreamEnded(Exception):
    """The engine has said all that it had to say."""


class Stream(Generic[T]):
    """Hands what a blocking stream yields to the event loop, while it is entered.

    Leaving it closes the stream, which ends a read that is under way.
    """

    def __init__(self, stream: Closable[T], doing: str, engine: str) -> None:
        self._stream = stream
        self._doing = doing
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[T | BaseException] = asyncio.Queue()
        self._leaving = False
        self._thread = threading.Thread(target=self._read, name="docker-stream", daemon=True)

    async def __aenter__(self) -> Stream[T]:
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leaving = True
        await asyncio.shield(asyncio.to_thread(self._end))

    async def next(self) -> T:
        """Return the next item; none is lost where waiting for it is cancelled.

        Raises StreamEnded at the end, and EngineError where the stream breaks.
        """
        item = await self._items.get()
        if isinstance(item, BaseException):
            self._items.put_nowait(item)
            raise item
        return item

    def has_items(self) -> bool:
        """Whether `next` would return at once."""
        return not self._items.empty()

    def _read(self) -> None:
        end: BaseException = StreamEnded()
        try:
            with translate_errors(self._doing, self._engine):
                for item in self._stream:
                    self._hand_over(item)
        except Exception as error:
            end = error
        self._hand_over(end)

    def _hand_over(self, item: T | BaseException) -> None:
        if not self._leaving:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(self._items.put_nowait, item)

    def _end(self) -> None:
        with contextlib.suppress(*LIBRARY_ERRORS, AttributeError):
            self._stream.close()
        self._thread.join(JOIN_TIMEOUT_SECONDS)


class WithOwnClient(Generic[T]):
    """A stream that closes the connection it came by together with itself."""

    def __init__(self, stream: Closable[T], close: Callable[[], None]) -> None:
        self._stream = stream
        self._close = close

    def __iter__(self) -> Iterator[T]:
        return iter(self._stream)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._close()
