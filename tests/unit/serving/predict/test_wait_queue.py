"""Who is woken, and who gets what a waiter that went away had got."""

from __future__ import annotations

import asyncio
import math
from functools import partial

import pytest

from serving.predict.wait_queue import WaitQueue


class Waiters:
    """Requests in a queue for places, and the order in which they got one."""

    def __init__(self) -> None:
        self.places = 0
        self.queue = WaitQueue[str](self.give_back)
        self.woken: list[str | None] = []

    def take(self, name: str) -> str | None:
        if not self.places:
            return None
        self.places -= 1
        return name

    def give_back(self, name: str) -> None:
        self.places += 1
        self.queue.wake_one()

    def free_one(self) -> None:
        self.places += 1
        self.queue.wake_one()

    async def add(self, name: str, *, again: bool = False) -> asyncio.Task[None]:
        async def wait() -> None:
            self.woken.append(
                await self.queue.wait(partial(self.take, name), math.inf, again=again)
            )

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        return task


async def test_the_first_is_woken_first_and_one_that_waits_again_before_it() -> None:
    waiters = Waiters()
    tasks = [await waiters.add("first"), await waiters.add("second")]
    tasks.append(await waiters.add("again", again=True))
    for task in (tasks[2], tasks[0]):
        waiters.free_one()
        await task
    waiters.queue.wake_all()
    await tasks[1]
    assert waiters.woken == ["again", "first", None]


async def test_what_is_free_is_taken_in_the_moment_in_which_a_waiter_is_woken() -> None:
    waiters = Waiters()
    first = await waiters.add("first")
    waiters.free_one()
    assert waiters.take("a later one") is None
    await first
    assert waiters.woken == ["first"]


async def test_a_waiter_that_cannot_take_what_is_free_is_passed_over() -> None:
    waiters = Waiters()

    async def wait_for_another_kind() -> str | None:
        return await waiters.queue.wait(lambda: None, math.inf, again=False)

    other = asyncio.create_task(wait_for_another_kind())
    await asyncio.sleep(0)
    first = await waiters.add("first")
    waiters.free_one()
    await first
    assert not other.done()
    waiters.queue.wake_all()
    assert await other is None


async def test_a_waiter_for_what_there_will_never_be_gets_the_error() -> None:
    waiters = Waiters()

    def fail() -> str | None:
        raise ValueError("never")

    failing = asyncio.create_task(waiters.queue.wait(fail, math.inf, again=False))
    await asyncio.sleep(0)
    first = await waiters.add("first")
    waiters.free_one()
    with pytest.raises(ValueError, match="never"):
        await failing
    await first
    assert waiters.woken == ["first"]


async def test_a_waiter_cancelled_after_being_woken_passes_on_what_it_got() -> None:
    waiters = Waiters()
    first, second = await waiters.add("first"), await waiters.add("second")
    waiters.free_one()
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
    assert await waiters.queue.wait(lambda: None, 0.001, again=False) is None
    waiters.free_one()
    await second
    assert waiters.woken == ["second"]
