"""Tasks that run for the length of a block, and work that is not abandoned half-way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def in_background(
    work: Coroutine[Any, Any, T], *, name: str | None = None
) -> AsyncIterator[asyncio.Task[T]]:
    """Run `work` beside the block; it has ended, or was cancelled, when the block is left.

    What it raised is raised when the block is left, unless the block itself raises.
    """
    task = asyncio.get_running_loop().create_task(work, name=name)
    try:
        yield task
    finally:
        await cancel_and_wait(task)
    if not task.cancelled():
        task.result()


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel `tasks` and wait until each has cleaned up; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def finish(work: Awaitable[T]) -> T:
    """Wait for `work` to its end even if cancelled meanwhile, and only then be cancelled.

    For work that nothing can stop once it has begun, such as a call in a thread.
    """
    future = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            # A second cancellation must not end the wait either.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # Marks it as retrieved: the cancellation is what is raised.
        raise
