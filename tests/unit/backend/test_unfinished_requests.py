"""What callers are told if the backend ends before their answer."""

from __future__ import annotations

import asyncio
import json

from starlette.types import Message, Receive, Scope, Send

from backend.unfinished_requests import UnfinishedRequests

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/model-imports/inspect", "headers": []}
START: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def _cancelled(first: Message | None) -> tuple[list[Message], bool]:
    """Return what is sent if a request is cancelled after `first`, and if it ends cancelled."""
    sent: list[Message] = []
    working = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        if first is not None:
            await send(first)
        working.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    request = asyncio.create_task(_run(UnfinishedRequests(endless), receive, send))
    await working.wait()
    request.cancel()
    await asyncio.wait([request])
    return sent, request.cancelled()


async def _run(app: UnfinishedRequests, receive: Receive, send: Send) -> None:
    await app(SCOPE, receive, send)


async def test_a_request_without_an_answer_gets_one() -> None:
    sent, cancelled = await _cancelled(None)
    assert not cancelled
    assert sent[0]["status"] == 503
    answer = json.loads(sent[1]["body"])
    assert answer["detail"] == "The backend ended before this was done."
    assert "servery serve" in answer["advice"]


async def test_an_answer_that_has_begun_is_left_alone() -> None:
    sent, cancelled = await _cancelled(START)
    assert cancelled
    assert sent == [START]
