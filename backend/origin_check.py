"""Keeping other web sites out of a service that listens on this machine.

A page on any site can make a browser send requests to 127.0.0.1. It cannot read
the answers, but it could leave labels, so requests that change something must
come from our own page or from a program that is no browser. And a site whose
name suddenly resolves to 127.0.0.1 (DNS rebinding) counts as the same site to
the browser: such a request carries the site's name in `Host`, so names other
than this machine's are refused whatever the request wants.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.http_errors import error_response

_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_PROTECTION = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class OriginCheck:
    """Middleware that lets requests through only from this site and from programs.

    `hosts` are names, besides this machine's own, under which people reach it.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_PROTECTION]
            await send(message)

        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._ours(host):
            answer = error_response(
                403,
                f"This service does not go by the name {_shown(host)}.",
                "Open it as 127.0.0.1 or localhost, or start it with --allow-host and this name.",
            )
            await answer(scope, receive, protected)
        elif scope["method"] not in _HARMLESS and not _from_own_site(headers, host):
            answer = error_response(
                403,
                "Another web site sent this request, so it was refused.",
                "Open the page of this service itself.",
            )
            await answer(scope, receive, protected)
        else:
            await self._app(scope, receive, protected)

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if not name:
            return False
        if name == "localhost" or name.endswith(".localhost") or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _from_own_site(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _shown(host: str) -> str:
    return "".join(char for char in host if char.isprintable())[:100] or "(none)"
