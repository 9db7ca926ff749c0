from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend.contract import DEFAULT_MEMORY_BUDGET
from backend.http_errors import HttpError
from backend.photos.budget import ByteBudget, PhotoBudget
from tests.support.waiting import wait_until


async def hold(budget: ByteBudget, size: int, release: asyncio.Event) -> None:
    async with budget.reserve(size):
        await release.wait()


async def test_those_that_wait_are_served_in_order() -> None:
    budget, releases = ByteBudget(100), [asyncio.Event() for _ in range(4)]
    order: list[int] = []

    async def take(number: int, size: int) -> None:
        async with budget.reserve(size):
            order.append(number)
            await releases[number].wait()

    tasks = []
    for number, size in enumerate((80, 60, 10, 50)):
        tasks.append(asyncio.create_task(take(number, size)))
        await asyncio.sleep(0)
    assert order == [0]  # 10 more would fit, but the one of 60 came first
    releases[0].set()
    await wait_until(lambda: order == [0, 1, 2])
    releases[1].set()
    await wait_until(lambda: order == [0, 1, 2, 3])
    assert budget.used <= 100
    for release in releases:
        release.set()
    await asyncio.gather(*tasks)
    assert budget.used == 0


async def test_those_that_need_more_go_first_in_the_order_in_which_they_came() -> None:
    budget, release = ByteBudget(100), asyncio.Event()
    order: list[str] = []

    async def grow(name: str, begin: int) -> None:
        async with budget.reserve(begin) as reservation:
            await reservation.grow(begin + 40)
            order.append(name)

    holding = asyncio.create_task(hold(budget, 70, release))
    await asyncio.sleep(0)
    tasks = [asyncio.create_task(grow(*each)) for each in (("a", 5), ("new", 90), ("b", 6))]
    await asyncio.sleep(0)
    assert order == []
    release.set()
    await asyncio.gather(holding, *tasks[:1], tasks[2])
    assert order == ["a", "b"]
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert budget.used == 0


async def test_what_could_never_fit_is_refused_for_good() -> None:
    budget = ByteBudget(100)
    with pytest.raises(HttpError) as refused:
        async with budget.reserve(101):
            pass
    assert refused.value.status == 413
    assert budget.used == 0


@pytest.mark.parametrize("limits", [{"wait_seconds": 0.01}, {"max_waiting": 0}])
async def test_too_long_a_wait_or_line_is_refused_for_now(limits: dict[str, Any]) -> None:
    budget, release = ByteBudget(100, **limits), asyncio.Event()
    holding = asyncio.create_task(hold(budget, 60, release))
    await asyncio.sleep(0)
    with pytest.raises(HttpError) as refused:
        async with budget.reserve(50):
            pass
    assert refused.value.status == 503
    release.set()
    await holding
    assert budget.used == 0
    async with budget.reserve(100):
        assert budget.used == 100


async def test_one_that_gives_up_waiting_takes_nothing() -> None:
    budget, release = ByteBudget(100), asyncio.Event()
    holding = asyncio.create_task(hold(budget, 60, release))
    await asyncio.sleep(0)
    gives_up = asyncio.create_task(hold(budget, 50, release))
    waits = asyncio.create_task(hold(budget, 40, release))
    await asyncio.sleep(0)
    gives_up.cancel()
    release.set()
    await asyncio.gather(holding, waits)
    await asyncio.gather(gives_up, return_exceptions=True)
    assert budget.used == 0


async def test_parts_are_no_more_than_the_total() -> None:
    parts = vars(PhotoBudget.of(DEFAULT_MEMORY_BUDGET)).values()
    assert sum(part.total for part in parts) <= DEFAULT_MEMORY_BUDGET
