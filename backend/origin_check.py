"""Keeps other web sites out of a service that listens on this machine.

A page on any site can make a browser send requests to 127.0.0.1. It cannot read
the responses, but it could leave labels, so requests that change something must
come from our own page or from a program that is not a browser. And a site whose
name suddenly resolves to 127.0.0.1 (DNS rebinding) counts as the same site to
the browser: such a request carries the site's name in `Host`, so host names other
than this machine's are refused, whatever the request.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.http_errors import error_response
from serving.http.origin import (
    SECURITY_HEADERS,
    headers_of,
    host_name,
    is_own_host,
    is_own_site,
    printable,
)
from serving.listen_address import ListenError, checked_host_name

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginCheck:
    """Middleware that refuses requests of other web sites with 403.

    `hosts` are host names, besides this machine's own, under which people reach it.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        headers = headers_of(scope)
        host = headers.get("host", "")
        if not is_own_host(host, self._hosts):
            response = error_response(
                403,
                f"The host name {printable(host)} is not allowed.",
                "Use 127.0.0.1 or localhost, or start Servery with"
                f" `servery serve --allow-host {_host_name(host)}`.",
            )
            await response(scope, receive, send_secured)
        elif scope["method"] not in _SAFE_METHODS and not is_own_site(headers):
            response = error_response(
                403,
                "Another web site sent this request, so it was refused.",
                "Open this service's own page.",
            )
            await response(scope, receive, send_secured)
        else:
            await self._app(scope, receive, send_secured)


def _host_name(host: str) -> str:
    """Return the name to allow, or what stands for one if this is none."""
    try:
        return checked_host_name(host_name(host))
    except ListenError:
        return "NAME"
