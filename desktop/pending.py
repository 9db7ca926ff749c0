"""A part of the application that others wait for while it is being built."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """Awaiting it gives the part once it is built, or raises the reason why it is not.

    Unlike a future it needs no running loop, and a waiter that is cancelled does not
    cancel it for the others.
    """

    def __init__(self) -> None:
        self._settled = asyncio.Event()
        self._part: T | None = None
        self._error: Exception | None = None

    def set(self, part: T) -> None:
        self._part = part
        self._settled.set()

    def fail(self, error: Exception) -> None:
        """Raise `error` for those who wait; has no effect if the part was built already."""
        if not self._settled.is_set():
            self._error = error
            self._settled.set()

    @property
    def is_ready(self) -> bool:
        """Whether awaiting it gives the part at once."""
        return self._part is not None

    def __await__(self) -> Generator[Any, None, T]:
        yield from self._settled.wait().__await__()
        if self._error is not None:
            raise self._error
        assert self._part is not None
        return self._part
