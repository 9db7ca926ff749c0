"""Keeps the JSON of requests small; photos, also in JSON, and zip files have their own limits."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.http_errors import HttpError, error_response
from backend.routes.classify import CLASSIFY_PATH

MAX_JSON_BYTES = 4 * 2**20
"""Enough to name 50,000 photos."""


class JsonLimit:
    """Middleware that refuses requests with more than MAX_JSON_BYTES of JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if "json" not in headers.get("content-type", "") or scope["path"] == CLASSIFY_PATH:
            await self._app(scope, receive, send)
            return
        declared = headers.get("content-length", "")
        error = HttpError(413, "The request has too much JSON in it.", "Ask about fewer photos.")
        if declared.isdecimal() and int(declared) > MAX_JSON_BYTES:
            await error_response(error.status, error.what, error.advice)(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_JSON_BYTES:  # sent in pieces, which declare no length
                raise error
            return message

        await self._app(scope, receive_limited, send)
