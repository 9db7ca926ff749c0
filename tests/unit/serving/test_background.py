from __future__ import annotations

import asyncio

import pytest

from serving.background import in_background


async def test_it_has_cleaned_up_when_the_block_is_left() -> None:
    steps: list[str] = []
    started = asyncio.Event()

    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    async with in_background(work()) as task:
        await started.wait()
        assert not task.done()
    assert steps == ["cleaned up"]
    assert task.cancelled()


async def test_its_result_is_there_for_the_block() -> None:
    async def work() -> int:
        return 3

    async with in_background(work()) as task:
        assert await task == 3


async def _enter_and_leave(failure: Exception | None = None) -> None:
    """Leave a block whose background work has failed, with a failure of its own if given."""

    async def work() -> None:
        raise ValueError("of the work")

    async with in_background(work()) as task:
        await asyncio.wait([task])
        if failure is not None:
            raise failure


async def test_its_failure_is_raised_when_the_block_is_left() -> None:
    with pytest.raises(ValueError, match="of the work"):
        await _enter_and_leave()


async def test_a_failure_of_the_block_comes_first() -> None:
    with pytest.raises(KeyError):
        await _enter_and_leave(KeyError())
