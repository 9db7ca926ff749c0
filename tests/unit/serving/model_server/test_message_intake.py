"""Messages that take long to arrive."""

from __future__ import annotations

import asyncio

import pytest

from serving.model_server.memory_budget import MemoryBudget
from serving.model_server.message_intake import MessageIntake
from serving.tf.status import Code, ServingError
from tests.support.waiting import wait_until


class Sender:
    """Messages that arrive when they are let, and take memory meanwhile."""

    def __init__(self, max_bytes: int | None = 100) -> None:
        self.allocated = 1000
        self.began = self.left = 0
        self.arrived = asyncio.Event()
        self.loading = False
        self.intake = MessageIntake(
            max_bytes, MemoryBudget(None), lambda: self.allocated, lambda: self.loading
        )

    def send(self) -> asyncio.Task[object]:
        return asyncio.create_task(self.intake.receive(self._arrive))

    async def _arrive(self) -> str:
        self.began += 1
        try:
            await self.arrived.wait()
        except asyncio.CancelledError:
            self.left += 1
            self.allocated = 1000
            raise
        return "message"


async def test_messages_that_take_little_all_arrive() -> None:
    sender = Sender()
    calls = [sender.send() for _ in range(50)]
    await wait_until(lambda: sender.began == 50)
    sender.allocated += 50
    sender.arrived.set()
    assert await asyncio.gather(*calls) == ["message"] * 50


async def test_the_newest_are_refused_while_too_much_arrives() -> None:
    sender = Sender()
    calls = [sender.send() for _ in range(4)]
    await wait_until(lambda: sender.began == 4)
    # Each was looked at twice: none is taken for a small one that the process is slow with.
    await wait_until(lambda: [looks >= 2 for looks in sender.intake._slow.values()] == [True] * 4)
    sender.allocated += 101
    await wait_until(lambda: sender.left == 2)
    await asyncio.gather(*calls[2:], return_exceptions=True)
    sender.arrived.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert outcomes[0] == "message"
    refused = outcomes[3]
    assert isinstance(refused, ServingError)
    assert refused.code is Code.RESOURCE_EXHAUSTED
    assert not sender.intake._slow


async def test_none_is_refused_for_what_a_version_takes_as_it_loads() -> None:
    sender = Sender()
    calls = [sender.send() for _ in range(4)]
    await wait_until(lambda: sender.intake._slow)
    sender.loading = True
    sender.allocated += 1000
    await wait_until(lambda: [looks > 5 for looks in sender.intake._slow.values()] == [True] * 4)
    sender.loading = False
    late = sender.send()
    await wait_until(lambda: sender.began == 5)
    sender.arrived.set()
    assert await asyncio.gather(*calls, late) == ["message"] * 5


async def test_others_wait_until_there_is_room() -> None:
    sender = Sender()
    first = sender.send()
    await wait_until(lambda: sender.intake._slow)
    sender.allocated += 101
    second = sender.send()
    await wait_until(lambda: sender.left == 1)
    sender.arrived.set()
    assert await second == "message"
    with pytest.raises(ServingError, match="Send it again later"):
        await first


async def test_a_caller_that_leaves_ends_its_message() -> None:
    sender = Sender()
    call = sender.send()
    await wait_until(lambda: sender.intake._slow)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert call.cancelled()
    assert sender.left == 1
    assert not sender.intake._slow


async def test_without_a_limit_a_slow_message_is_received() -> None:
    sender = Sender(None)
    call = sender.send()
    await wait_until(lambda: sender.intake._slow)
    sender.allocated = 1 << 60
    await asyncio.sleep(0.1)
    sender.arrived.set()
    assert await call == "message"
