"""Answers requests that the end of the backend cuts short."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.http_errors import error_response


class UnfinishedRequests:
    """Middleware that answers 503 with a sentence if a request is cancelled before its answer.

    uvicorn does that to what goes on for longer than the shutdown lets it, and would answer 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noticed(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noticed)
        except asyncio.CancelledError:
            if started or scope["type"] != "http":
                raise
            answer = error_response(
                503,
                "The backend ended before this was done.",
                "Start it with `servery serve` or Servery's window, then try again.",
            )
            await answer(scope, receive, send)
