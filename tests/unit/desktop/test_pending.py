from __future__ import annotations

import asyncio

import pytest

from desktop.pending import Pending
from serving.errors import BackendError


async def get(pending: Pending[int]) -> int:
    return await pending


async def test_all_who_wait_get_the_part() -> None:
    pending: Pending[int] = Pending()
    early = [asyncio.create_task(get(pending)) for _ in range(2)]
    await asyncio.sleep(0)
    pending.set(7)
    assert [await task for task in early] == [7, 7]
    assert await pending == 7


async def test_one_who_gives_up_waiting_harms_no_other() -> None:
    pending: Pending[int] = Pending()
    first, second = (asyncio.create_task(get(pending)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    pending.set(7)
    assert await second == 7
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_the_reason_is_raised_if_there_is_no_part() -> None:
    pending: Pending[int] = Pending()
    pending.fail(BackendError("No backend."))
    for _ in range(2):
        with pytest.raises(BackendError, match="No backend"):
            await pending


async def test_a_part_that_was_built_stays() -> None:
    pending: Pending[int] = Pending()
    pending.set(7)
    pending.fail(BackendError("Too late."))
    assert await pending == 7
