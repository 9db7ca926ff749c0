"""Answers HEAD wherever GET is answered: programs that watch a service ask so."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.routes.events import EVENTS_PATH


class HeadRequests:
    """Middleware that lets HEAD be answered as GET, and leaves out the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The answer to GET /events has no end.
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"] == EVENTS_PATH:
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_without_body)
