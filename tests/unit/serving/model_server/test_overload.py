"""Refusals: which requests, at what pace, and what a refused caller is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest

from serving.model_server.grpc_calls import Call, Calls, Method
from serving.model_server.limits import RequestLimits
from serving.model_server.memory_budget import MemoryBudget
from serving.model_server.message_intake import MessageIntake
from serving.model_server.overload import Overload, QueueFull, RefusalThrottle
from serving.tf.messages import get_model_status_pb2
from serving.tf.status import Code

SERVICE = "test.Service"


def test_the_first_refusals_are_sent_at_once_and_later_ones_at_an_even_pace() -> None:
    pace = RefusalThrottle()
    assert [pace.delay(100.0) for _ in range(32)] == [0.0] * 32
    assert [pace.delay(100.0) for _ in range(3)] == pytest.approx([1 / 32, 2 / 32, 3 / 32])
    assert pace.delay(100.0 + 4 / 32) == 0.0
    assert pace.delay(200.0) == 0.0


def test_no_refusal_is_held_for_longer_than_two_seconds() -> None:
    pace = RefusalThrottle()
    delays = [pace.delay(5.0) for _ in range(500)]
    assert max(delays) == 2.0
    # What was held for the longest time does not delay those that come later even more.
    assert pace.delay(7.0) <= 1 / 32


async def test_a_request_is_admitted_while_there_is_room() -> None:
    await Overload(Code.RESOURCE_EXHAUSTED).admit(lambda: False)


async def test_a_request_is_refused_with_the_code_of_the_server() -> None:
    with pytest.raises(QueueFull) as caught:
        await Overload(Code.UNAVAILABLE).admit(lambda: True)
    assert caught.value.code is Code.UNAVAILABLE


async def test_a_held_request_is_admitted_if_there_is_room_when_it_would_be_refused() -> None:
    answers: Iterator[bool] = iter([True, False])
    await Overload(Code.RESOURCE_EXHAUSTED).admit(lambda: next(answers))


class CountingIntake(MessageIntake):
    """Counts the messages that were read."""

    count = 0

    async def receive(self, read: Callable[[], Awaitable[Any]]) -> Any:
        self.count += 1
        return await super().receive(read)


async def _call(is_full: Callable[[], bool], answer: Callable[[], None]) -> tuple[Any, int]:
    """Return the error of one call to a server, and how many messages were read."""
    budget = MemoryBudget(None)
    intake = CountingIntake(None, budget, int)
    calls = Calls(RequestLimits(), budget, intake, Overload(Code.RESOURCE_EXHAUSTED))

    async def compute(request: Any, _call: Call) -> Any:
        answer()
        return request

    method = Method(get_model_status_pb2.GetModelStatusRequest, compute, is_full)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((calls.handler(SERVICE, {"Compute": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(f"/{SERVICE}/Compute")
            request = get_model_status_pb2.GetModelStatusRequest()
            request.model_spec.name = "m" * 1_000_000
            try:
                return await call(request.SerializeToString()), intake.count
            except grpc.aio.AioRpcError as error:
                return error, intake.count
    finally:
        await server.stop(None)


async def test_a_refused_grpc_call_is_not_read_and_says_when_to_retry() -> None:
    error, read = await _call(lambda: True, lambda: None)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ("grpc-retry-pushback-ms", "1000") in tuple(error.trailing_metadata())
    assert read == 0


async def test_a_call_that_fills_the_queue_only_once_it_is_read_gets_the_same_answer() -> None:
    def refuse() -> None:
        raise QueueFull(Code.RESOURCE_EXHAUSTED, "full")

    error, read = await _call(lambda: False, refuse)
    assert (error.code(), error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    assert ("grpc-retry-pushback-ms", "1000") in tuple(error.trailing_metadata())
    assert read == 1


async def test_many_refused_calls_all_get_their_refusal() -> None:
    overload = Overload(Code.RESOURCE_EXHAUSTED)
    outcomes = await asyncio.gather(
        *(overload.admit(lambda: True) for _ in range(40)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {QueueFull}
