"""Refuses compressed requests: photos and zip files hardly get smaller, and may hide gigabytes."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.http_errors import error_response
from backend.uploads import drain
from serving.http.origin import printable


class ContentEncoding:
    """Middleware that answers 415 to requests with a Content-Encoding."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding in ("", "identity"):
            await self._app(scope, receive, send)
            return
        response = error_response(
            415,
            f"The body of the request is compressed (Content-Encoding: {printable(encoding)}).",
            "Send it as it is, without this header.",
        )
        response.headers["Accept-Encoding"] = "identity"
        await drain(Request(scope, receive))
        await response(scope, receive, send)
