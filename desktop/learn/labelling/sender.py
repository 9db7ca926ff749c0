"""Answers on their way to the outbox, in the order in which they were given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from desktop.learn.labelling.answer import Answer
from serving.background import in_background

log = logging.getLogger(__name__)

R = TypeVar("R")
"""The receipt: what storing an answer returns, and taking it back needs."""


@dataclass(eq=False)
class GivenAnswer(Generic[R]):
    """One answer that a person gave to one photo or to many at once."""

    images: tuple[str, ...]
    """SHA-256 of each photo, in hex."""
    answer: Answer
    model: str
    receipt: R | None = None
    """None until it is safe."""


class Sender(Generic[R]):
    """Takes an answer at once and stores it right after, one after the other.

    So the next photo never waits for the disk, and neither a later answer nor taking one back
    overtakes it.
    """

    def __init__(
        self,
        store: Callable[[Sequence[str], Answer, str], Awaitable[R]],
        withdraw: Callable[[R], Awaitable[None]],
        on_failed: Callable[[GivenAnswer[R], Exception], None],
    ) -> None:
        """`store` gets photos, what is said of them and the model that learns it, and returns
        once that is safe; `on_failed` gets what could not be stored."""
        self._store = store
        self._withdraw = withdraw
        self.on_failed = on_failed
        self._steps: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store what is given meanwhile; everything is stored when this is left."""
        async with in_background(self._run_queue(), name="labels to the outbox"):
            try:
                yield
            finally:
                await self._steps.join()

    def give(self, images: Sequence[str], answer: Answer, model: str) -> GivenAnswer[R]:
        """Store `answer` of `images` as soon as everything before it is."""
        given: GivenAnswer[R] = GivenAnswer(tuple(images), answer, model)

        async def step() -> None:
            try:
                given.receipt = await self._store(given.images, answer, model)
            except Exception as error:
                self.on_failed(given, error)

        self._steps.put_nowait(step)
        return given

    def take_back(self, given: GivenAnswer[R]) -> None:
        """Take an answer back once it is stored."""

        async def step() -> None:
            if given.receipt is None:
                return
            try:
                await self._withdraw(given.receipt)
            except Exception as error:
                self.on_failed(given, error)

        self._steps.put_nowait(step)

    async def settled(self) -> None:
        """Wait until everything that was given before is stored."""
        await self._steps.join()

    async def _run_queue(self) -> None:
        while True:
            step = await self._steps.get()
            try:
                await step()
            except Exception:
                # From `on_failed`: the answers that come after must be stored all the same.
                log.error("An answer could not be stored", exc_info=True)
            finally:
                self._steps.task_done()
