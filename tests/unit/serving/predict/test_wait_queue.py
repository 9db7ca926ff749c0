"""Who is woken, and who has the turn of a waiter that went away."""

from __future__ import annotations

import asyncio
import math

import pytest

from serving.predict.wait_queue import WaitQueue


class Waiters:
    """Requests in a queue, and the order in which they were woken."""

    def __init__(self) -> None:
        self.queue = WaitQueue()
        self.woken: list[str] = []

    async def add(self, name: str, *, again: bool = False) -> asyncio.Task[None]:
        async def wait() -> None:
            await self.queue.wait(math.inf, again=again)
            self.woken.append(name)

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        return task


async def test_the_first_is_woken_first_and_one_that_waits_again_before_it() -> None:
    waiters = Waiters()
    tasks = [await waiters.add("first"), await waiters.add("second")]
    tasks.append(await waiters.add("again", again=True))
    for task in (tasks[2], tasks[0]):
        waiters.queue.wake_one()
        await task
    waiters.queue.wake_all()
    await tasks[1]
    assert waiters.woken == ["again", "first", "second"]


async def test_a_waiter_cancelled_after_being_woken_passes_its_turn_on() -> None:
    waiters = Waiters()
    first, second = await waiters.add("first"), await waiters.add("second")
    waiters.queue.wake_one()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert waiters.woken == ["second"]


async def test_a_waiter_that_leaves_takes_no_turn() -> None:
    waiters = Waiters()
    first, second = await waiters.add("first"), await waiters.add("second")
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await waiters.queue.wait(0.001, again=False)
    waiters.queue.wake_one()
    await second
    assert waiters.woken == ["second"]
