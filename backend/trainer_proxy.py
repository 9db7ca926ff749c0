"""Hands what only the trainer can do to it, in a backend that is an API.

What goes on without the trainer is answered here: photos are classified, labels are kept, and what
is on disk or in the database is shown. What the trainer has in memory, such as how far a training
run is, is asked of it; while it is away, what is stored is shown in its place. Everything else is
its own, and answered 503 while it is away.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import AsyncIterator

import httpx
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.access import FORWARDED_HEADER, caller_name
from backend.http_errors import error_response
from backend.uploads import drain
from serving.access_token import AccessToken

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 300.0
"""In which an answer begins, and the longest pause within it: the trainer tries versions first."""
READ_SECONDS = 3.0
"""In which the trainer answers what could be shown without it too."""

_NAME = r"[^/]+"
_HERE = tuple(
    (frozenset(methods.split()), re.compile(path))
    for methods, path in (
        ("GET HEAD", r"/(page\.css|page\.js|icon\.svg|openapi\.json|events)?"),
        ("GET HEAD", r"/(healthz|health|readyz|metrics)"),
        ("POST", r"/classify"),
        ("GET HEAD POST", r"/pool"),
        ("GET HEAD POST DELETE", r"/labels(/.*)?"),
        ("GET HEAD", r"/(queue|clusters|label-issues)"),
        ("GET HEAD", rf"/images/{_NAME}(/labels)?"),
        ("GET HEAD", rf"/models/{_NAME}/(photos|classes|class-changes|audit|rollout)"),
        ("GET HEAD", rf"/models/{_NAME}/(training-settings|versions)"),
        ("GET HEAD", rf"/models/{_NAME}/versions/[0-9]+/(report|answers|trust)"),
    )
)
"""What is answered here, whether there is a trainer or not."""
_STORED = re.compile(rf"/training(/{_NAME})?|/models(/{_NAME})?|/catalogue|/built-in")
"""What is read here while the trainer is away."""
_NOT_PASSED = frozenset(
    {
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("host", "authorization", "origin", "referer", "cookie"),
    }
)
_NOT_RETURNED = _NOT_PASSED | {"date", "server"}


class TrainerLink:
    """The connection to the trainer."""

    def __init__(
        self, url: str, token: AccessToken, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`url` is empty if there is no trainer; `transport` replaces the network."""
        self.url = url.rstrip("/")
        self._token = token
        self._http = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            # For plain HTTP, which it is within a stack, to read all certificates takes 20 ms.
            verify=self.url.startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=20),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self, request: Request, body: AsyncIterator[bytes] | None, seconds: float
    ) -> Response:
        """Return the answer of the trainer to a request, as it comes, in the name of its caller.

        It begins within `seconds`; raises httpx.HTTPError without one.
        """
        if not self.url:
            raise httpx.ConnectError("there is none")
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope.get("raw_path", b"").decode("latin-1") or request.scope["path"]
        answer = await self._http.send(
            self._http.build_request(
                request.method,
                self.url + path + (f"?{query}" if query else ""),
                headers=self._headers(request),
                content=body,
                timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            ),
            stream=True,
        )
        returned = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        returned.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode("latin-1") not in _NOT_RETURNED
        ]
        return returned

    def _headers(self, request: Request) -> list[tuple[str, str]]:
        passed = [
            (name, value)
            for name, value in request.headers.items()
            if name not in _NOT_PASSED and not name.startswith("sec-")
        ]
        # By that name it is reached on every machine; whether a web site asks was looked at here.
        passed += [("host", "localhost"), (FORWARDED_HEADER, "1")]
        if "accept-encoding" not in request.headers:
            passed.append(("accept-encoding", "identity"))  # in place of what httpx asks for
        token = self._token.read()
        if token is not None:
            named = f"{caller_name(request.scope)}:{token}".encode()
            passed.append(("authorization", f"Basic {base64.b64encode(named).decode()}"))
        return passed


class TrainerProxy:
    """Middleware that sends a request on to the trainer unless it is answered here.

    To be put behind the middleware that admits callers.
    """

    def __init__(self, app: ASGIApp, link: TrainerLink) -> None:
        self._app = app
        self._link = link

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_answered_here(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        is_read = scope["method"] in ("GET", "HEAD")
        can_be_read_here = is_read and _STORED.fullmatch(scope["path"]) is not None
        request = Request(scope, receive)
        body = _Body(request)
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        seconds = READ_SECONDS if can_be_read_here else ANSWER_SECONDS
        try:
            response = await self._link.ask(request, body.parts() if has_body else None, seconds)
        except ClientDisconnect:
            return
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if can_be_read_here:
                await self._app(scope, receive, send)
                return
            if not body.ended:
                await drain(request)
            response = self._away(error)
        await response(scope, receive, send)

    def _away(self, error: Exception) -> Response:
        if not self._link.url:
            return error_response(
                503,
                "No trainer is set up, and only one can do this.",
                "Give the backend its address: SERVERY_TRAINER=http://HOST:PORT.",
            )
        is_late = isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout)
        what = "does not answer in time" if is_late else "cannot be reached"
        return error_response(
            503,
            f"The trainer, which alone can do this, {what}.",
            "Try again once it is back; photos are classified and labels are kept meanwhile.",
        )


class _Body:
    """The body of a request, of which it is known whether all of it was received."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.ended = False

    async def parts(self) -> AsyncIterator[bytes]:
        async for part in self._request.stream():
            yield part
        self.ended = True


def is_answered_here(method: str, path: str) -> bool:
    """Whether an API answers a request itself, be there a trainer or not."""
    return any(method in methods and pattern.fullmatch(path) for methods, pattern in _HERE)
