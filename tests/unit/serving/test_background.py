from __future__ import annotations

import asyncio

import pytest

from serving.background import finish, in_background


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


async def test_finished_work_gives_its_result_or_its_failure() -> None:
    async def work(failure: Exception | None) -> int:
        if failure is not None:
            raise failure
        return 3

    assert await finish(work(None)) == 3
    with pytest.raises(ValueError, match="of the work"):
        await finish(work(ValueError("of the work")))


@pytest.mark.parametrize("failure", [None, ValueError("of the work")])
async def test_work_is_waited_for_however_often_it_is_cancelled(failure: Exception | None) -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(finish(gate))
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    if failure is None:
        gate.set_result(None)
    else:
        gate.set_exception(failure)
    with pytest.raises(asyncio.CancelledError):
        await task
