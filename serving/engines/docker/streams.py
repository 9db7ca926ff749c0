"""Streams of the engine, each read by a thread of its own that is closed from outside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from serving.engines.docker.errors import LIBRARY_ERRORS, translate_errors

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

JOIN_TIMEOUT_SECONDS = 5.0


class Closable(Protocol[T_co]):
    """An iterable that another thread may close."""

    def __iter__(self) -> Iterator[T_co]: ...

    def close(self) -> None: ...


class StreamEnded(Exception):
    """The engine has sent everything."""


class Stream(Generic[T]):
    """Passes what a blocking stream yields to the event loop, for the length of a block.

    Leaving the block closes the stream, which ends a read that is under way.
    """

    def __init__(self, stream: Closable[T], doing: str, engine: str) -> None:
        self._stream = stream
        self._doing = doing
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[T | BaseException] = asyncio.Queue()
        self._closing = False
        # A daemon: a read that no close can end must not keep the process from exiting.
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
        self._closing = True
        # Shielded: a caller that is cancelled while it leaves would lose track of the thread.
        await asyncio.shield(asyncio.to_thread(self._end))

    async def next(self) -> T:
        """Return the next item; none is lost if waiting for it is cancelled.

        Raises StreamEnded at the end, and EngineError if the stream breaks.
        """
        item = await self._items.get()
        if isinstance(item, BaseException):
            self._items.put_nowait(item)  # for the next call, which would wait forever
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
                    self._put(item)
        except Exception as error:
            end = error
        self._put(end)

    def _put(self, item: T | BaseException) -> None:
        if not self._closing:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(self._items.put_nowait, item)

    def _end(self) -> None:
        # AttributeError: the package's streams look for a socket that a closed response lacks.
        with contextlib.suppress(*LIBRARY_ERRORS, AttributeError):
            self._stream.close()
        self._thread.join(JOIN_TIMEOUT_SECONDS)
