"""Answers to requests that take long: lines of JSON that say how far it is, and then what came."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

from fastapi.responses import StreamingResponse

from backend.http_errors import problem_of, status_of
from serving.background import finish
from serving.errors import ServeryError, system_error
from serving.progress import Report

T = TypeVar("T")

MEDIA_TYPE = "application/x-ndjson"
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Lines of JSON as the work goes on; the last has its result or its problem.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string"},
                "example": '{"done": 1, "total": 2, "text": "Reading photos"}\n{"result": {}}\n',
            }
        },
    }
}
"""How OpenAPI describes such an answer."""
_HEARTBEAT_SECONDS = 2.0
"""A line comes at least so often, so that both ends notice when the other is gone."""
_MIN_INTERVAL_SECONDS = 0.1
"""Between two lines: nobody reads more of them."""

_log = logging.getLogger(__name__)
_working: set[asyncio.Task[Any]] = set()
"""Also those that nobody waits for any more, until they have cleaned up."""


class _Cancelled(Exception):
    """Ends the work in a thread."""


def progress_stream(work: Callable[[Report], Awaitable[Any]]) -> StreamingResponse:
    """Return the answer that tells of `work`, which returns a dataclass, as it goes on.

    Each line is `{"done", "total", "text"}`, the last `{"result"}`, or `{"problem"}`, as errors are
    answered elsewhere. The work is cancelled if the caller leaves.
    """
    return StreamingResponse(
        _lines(work), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"}
    )


async def in_thread(work: Callable[[Report], T], report: Report) -> T:
    """Run `work` in a thread; cancelled, it ends when it reports the next time.

    `work` reports from its thread, `report` is called in that of the event loop.
    """
    loop = asyncio.get_running_loop()
    cancelled = False

    def report_from_thread(done: int, total: int, text: str) -> None:
        if cancelled:
            raise _Cancelled
        loop.call_soon_threadsafe(report, done, total, text)

    working = loop.run_in_executor(None, work, report_from_thread)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        cancelled = True
        await finish(asyncio.wait([working]))
        working.exception()  # marks it as retrieved
        raise


async def _lines(work: Callable[[Report], Awaitable[Any]]) -> AsyncIterator[str]:
    latest = (0, 0, "")
    changed = asyncio.Event()
    waiting: asyncio.Future[Any] | None = None

    def report(done: int, total: int, text: str) -> None:
        nonlocal latest
        latest = (done, total, text)
        changed.set()

    async def carry_out() -> Any:
        return await work(report)

    task = asyncio.get_running_loop().create_task(carry_out())
    _working.add(task)
    task.add_done_callback(_working.discard)
    try:
        while not task.done():
            waiting = asyncio.ensure_future(changed.wait())
            await asyncio.wait(
                [task, waiting], timeout=_HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()
            changed.clear()
            if not task.done():
                yield _line(dict(zip(("done", "total", "text"), latest, strict=True)))
                await asyncio.wait([task], timeout=_MIN_INTERVAL_SECONDS)
        yield _line(_end(task))
    finally:
        task.cancel()
        if waiting is not None:
            waiting.cancel()


def _end(task: asyncio.Task[Any]) -> dict[str, Any]:
    error = task.exception()
    if error is None:
        return {"result": asdict(task.result())}
    failure = error if isinstance(error, ServeryError) else system_error(error)
    if failure is None or status_of(failure) == 500:
        _log.error("%s", failure or error, exc_info=error)
    return {"problem": problem_of(failure)}


def _line(content: dict[str, Any]) -> str:
    # In ASCII, so that names with half a character can be said.
    return json.dumps(content) + "\n"
