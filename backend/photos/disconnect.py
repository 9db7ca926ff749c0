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
    working = asyncio.get_running_loop().create_task(work)
    leaving = asyncio.get_running_loop().create_task(_leave(request))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise HttpError(
            400,
            "The connection ended before the answer.",
            "Send it again, and wait for the answer.",
        )
    finally:
        await cancel_and_wait(working, leaving)


async def _leave(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
