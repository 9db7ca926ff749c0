"""Ends work for callers that have left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from backend.http_errors import HttpError
from serving.background import cancel_and_wait

T = TypeVar("T")


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` does; it is cancelled if the caller closes the connection meanwhile.

    Only after the whole body of the request was received.
    """
    task = asyncio.current_task()
    assert task is not None
    cancelled_before, has_left = task.cancelling(), False

    async def cancel_when_left() -> None:
        nonlocal has_left
        while (await request.receive())["type"] != "http.disconnect":
            pass
        has_left = True
        task.cancel()

    # Beside this task, which does the work: a second one for that would cost each request more.
    leaving = asyncio.get_running_loop().create_task(cancel_when_left())
    try:
        return await work
    finally:
        # As in `asyncio.timeout`: somebody else may have cancelled the task as well.
        is_alone = has_left and task.uncancel() <= cancelled_before
        await cancel_and_wait(leaving)
        if is_alone:
            raise HttpError(
                400,
                "The connection ended before the answer.",
                "Send it again, and wait for the answer.",
            )
