"""How much memory the requests in flight may take, and the lines in which they wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Self

from backend.http_errors import HttpError
from serving.units import format_bytes

_MORE_MEMORY = "give photos more memory with `servery serve --memory-budget SIZE`."
WAIT_SECONDS = 20.0
"""Longest wait for memory. Retry-After says to come back after a few seconds."""
MAX_WAITING = 128
"""Requests in one line; a burst of photos fits, and half of the connections stay for others."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    """One who waits for `size` bytes."""

    size: int
    taken: asyncio.Future[None]
    holds: bool
    """Whether they hold others already."""


class ByteBudget:
    """Bytes that may be in use at the same time; those that ask for more wait in line."""

    def __init__(
        self, total: int, wait_seconds: float = WAIT_SECONDS, max_waiting: int = MAX_WAITING
    ) -> None:
        self.total = total
        self.used = 0
        self.taken = 0
        """How often bytes were taken."""
        self._wait_seconds, self._max_waiting = wait_seconds, max_waiting
        self._line: deque[_Waiting] = deque()

    def reserve(self, size: int) -> Reservation:
        """Return a block that holds `size` bytes for its length.

        Entering it raises HttpError: 413 for more than there are in total, 503 after too long a
        wait.
        """
        return Reservation(self, size)

    async def take(self, size: int, held: int) -> None:
        """Take `size` more bytes for one that holds `held`.

        Those who hold some go first, and among themselves in the order in which they came.
        """
        if held + size > self.total:
            raise HttpError(
                413,
                f"The photo takes more memory than the {format_bytes(self.total)} that are set"
                " aside for it.",
                f"Save it smaller, or {_MORE_MEMORY}",
            )
        if not self._line and self.used + size <= self.total:
            self._take_now(size)
            return
        if len(self._line) >= self._max_waiting:
            raise _busy()
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(size, taken, bool(held))
        self._line.insert(self._holders_waiting() if held else len(self._line), waiting)
        self._serve()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await taken
        except BaseException as error:
            # The bytes may have been taken in the very round of the loop in which it gave up.
            if taken.done() and not taken.cancelled():
                self.give_back(size)
            else:
                with contextlib.suppress(ValueError):
                    self._line.remove(waiting)
                self._serve()
            if isinstance(error, TimeoutError):
                raise _busy() from error
            raise

    def give_back(self, size: int) -> None:
        """Return bytes that were taken."""
        self.used -= size
        self._serve()

    def _holders_waiting(self) -> int:
        return sum(each.holds for each in self._line)

    def _take_now(self, size: int) -> None:
        self.used += size
        self.taken += 1

    def _serve(self) -> None:
        while self._line:
            first = self._line[0]
            if not first.taken.done():  # else its request has just given up
                if self.used + first.size > self.total:
                    return
                self._take_now(first.size)
                first.taken.set_result(None)
            self._line.popleft()


class Reservation:
    """What one request holds of a budget; an asynchronous context manager."""

    def __init__(self, budget: ByteBudget, first: int) -> None:
        """Hold `first` bytes once the block is entered."""
        self._budget, self._first = budget, first
        self.size = 0

    async def __aenter__(self) -> Self:
        await self.grow(self._first)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.release()

    async def grow(self, size: int) -> None:
        """Hold at least `size` bytes; raises HttpError as `ByteBudget.reserve` does."""
        if size > self.size:
            await self._budget.take(size - self.size, self.size)
            self.size = size

    def release(self) -> None:
        """Return everything."""
        self._budget.give_back(self.size)
        self.size = 0


@dataclass(frozen=True)
class PhotoBudget:
    """The parts of a total, so that large photos keep nobody else waiting.

    A request takes of the parts in this order, and nothing more of an earlier part while it
    holds some of a later one, so that no two wait for each other.
    """

    small_uploads: ByteBudget
    large_uploads: ByteBudget
    small_decoding: ByteBudget
    large_decoding: ByteBudget
    small_answers: ByteBudget
    large_answers: ByteBudget

    @classmethod
    def of(cls, total: int) -> PhotoBudget:
        """Divide `total` bytes, of which the largest share is for one photo to be decoded."""
        shares = (32, 136, 96, 682, 24, 54)  # of 1,024; the largest upload is 64 MiB and its form
        return cls(*(ByteBudget(total * share // 1024) for share in shares))

    @property
    def used(self) -> int:
        """Bytes that are held now."""
        return sum(part.used for part in vars(self).values())

    @property
    def taken(self) -> int:
        """How often bytes were taken, so that a change shows even if all are back."""
        return sum(part.taken for part in vars(self).values())


def _busy() -> HttpError:
    return HttpError(
        503,
        "There are more photos at once than fit into memory.",
        f"Send it again in a few seconds, or {_MORE_MEMORY}",
    )
