from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi import Request
from starlette.types import Message

from backend.http_errors import HttpError
from backend.photos.disconnect import cancel_on_disconnect


def request_that(receive: Callable[[], Awaitable[Message]]) -> Request:
    return Request({"type": "http"}, receive)


async def stays() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def leaves() -> Message:
    return {"type": "http.disconnect"}


async def never_ends(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        ended.append("cleaned up")


async def test_work_for_a_caller_that_stays_is_done() -> None:
    assert await cancel_on_disconnect(request_that(stays), asyncio.sleep(0, "done")) == "done"
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_work_for_a_caller_that_leaves_is_cancelled() -> None:
    ended: list[str] = []
    with pytest.raises(HttpError, match="The connection ended"):
        await cancel_on_disconnect(request_that(leaves), never_ends(ended))
    assert ended == ["cleaned up"]
    await asyncio.sleep(0)  # nothing of the cancellation is left


async def test_what_the_work_raises_is_raised() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        await cancel_on_disconnect(request_that(stays), fails())


async def test_who_cancels_the_request_is_heard_though_the_caller_leaves_too() -> None:
    ended: list[str] = []
    gone = asyncio.Event()

    async def leaves_soon() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    task = asyncio.create_task(cancel_on_disconnect(request_that(leaves_soon), never_ends(ended)))
    await asyncio.sleep(0)
    gone.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cleaned up"]


async def test_a_deadline_is_told_from_a_caller_that_leaves() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await cancel_on_disconnect(request_that(stays), never_ends([]))
