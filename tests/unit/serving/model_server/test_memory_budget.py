"""What the requests in flight may take together."""

from __future__ import annotations

import asyncio
import gzip
import threading
import zlib
from collections.abc import Callable

import pytest

from serving.model_server.memory_budget import MemoryBudget, run
from serving.model_server.unzip import is_zipped, unzipped
from serving.tf.status import Code, ServingError
from tests.support.waiting import wait_until

MEBIBYTE = 1 << 20


async def test_refuses_what_does_not_fit_and_takes_it_once_there_is_room() -> None:
    budget = MemoryBudget(10 * MEBIBYTE)
    with budget.share() as first, budget.share() as second:
        first.grow(6 * MEBIBYTE)
        with pytest.raises(ServingError) as caught:
            second.grow(3 * MEBIBYTE)
        assert caught.value.code is Code.RESOURCE_EXHAUSTED
        first.shrink(4 * MEBIBYTE)
        second.grow(3 * MEBIBYTE)
        assert budget.used == 5 * MEBIBYTE
    assert budget.used == 0


async def test_large_requests_leave_room_for_small_ones() -> None:
    budget = MemoryBudget(10 * MEBIBYTE)
    with budget.share() as large, budget.share() as small:
        large.grow(8 * MEBIBYTE)
        with pytest.raises(ServingError):
            large.grow(1)
        small.grow(MEBIBYTE)
        small.grow(-MEBIBYTE + 1)
    assert budget.used == 0


async def test_without_a_limit_a_share_grows_to_any_size() -> None:
    with MemoryBudget(None).share() as share:
        share.grow(1 << 50)


async def test_memory_is_returned_after_a_request_that_took_much() -> None:
    trimmed = threading.Event()
    budget = MemoryBudget(None, trimmed.set)
    with budget.share() as share:
        share.grow(1000)
    await asyncio.sleep(0)
    assert budget._trimming is None
    with budget.share() as share:
        share.expect(64 * MEBIBYTE)
    await wait_until(trimmed.is_set)


async def test_large_requests_are_worked_on_in_a_thread() -> None:
    with MemoryBudget(None).share() as share:
        assert await run(share, threading.current_thread) is threading.current_thread()
        share.grow(2 * MEBIBYTE)
        assert await run(share, threading.current_thread) is not threading.current_thread()


async def test_what_a_cancelled_request_takes_counts_until_its_thread_is_done() -> None:
    budget = MemoryBudget(None)
    began, go_on = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        assert go_on.wait(60)

    async def answer() -> None:
        with budget.share() as share:
            share.grow(2 * MEBIBYTE)
            await run(share, work)

    request = asyncio.create_task(answer())
    await wait_until(began.is_set)
    request.cancel()
    await asyncio.sleep(0.05)
    assert budget.used == 2 * MEBIBYTE
    go_on.set()
    await asyncio.gather(request, return_exceptions=True)
    assert request.cancelled()
    assert budget.used == 0


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress], ids=["gzip", "zlib"])
async def test_a_compressed_message_is_unzipped(compress: Callable[[bytes], bytes]) -> None:
    data = bytes(range(256)) * 5000
    zipped = compress(data)
    assert is_zipped(zipped)
    with MemoryBudget(None).share() as share:
        assert unzipped(zipped, len(data), share) == data
        assert share.size == len(data)
        with pytest.raises(ServingError, match="larger than"):
            unzipped(zipped, len(data) - 1, share)
        with pytest.raises(ServingError, match="end is missing"):
            unzipped(zipped[:-9], None, share)
        with pytest.raises(ServingError, match="not gzip"):
            unzipped(b"\x1f\x8bnonsense", None, share)


async def test_unzips_no_further_than_the_budget_allows() -> None:
    zipped = gzip.compress(bytes(100 * MEBIBYTE))
    budget = MemoryBudget(10 * MEBIBYTE)
    with budget.share() as share, pytest.raises(ServingError) as caught:
        unzipped(zipped, None, share)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert share.peak < 10 * MEBIBYTE
