"""Lets in the person, and nobody else.

Over loopback the operating system says which user is at the other end, so the person's own
programs need nothing. Everybody else shows the token of the workspace: another user of this
machine, any other machine, and whoever the system does not tell.
"""

from __future__ import annotations

import base64
import binascii
import pwd
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.http_errors import error_response
from backend.peer import Address, is_loopback, is_person_or_root
from serving.access_token import AccessToken
from serving.http.connection import connection_of

PeerOwner = Callable[[Address, Address], int | None]
"""Returns the user id at the client's end of a connection, from both ends; None if unknown."""

HEALTH_PATH = "/healthz"
"""Open to everybody, so that a program that watches the service needs no token."""
_OWNER = "owner"
"""The fact of a connection: which user is at its other end, if that is the person or root."""
_POLICY_VIOLATION = 1008
_CHALLENGES = (
    ("WWW-Authenticate", 'Bearer realm="Servery"'),
    # Browsers ask for a password then, and send it with events and images too.
    ("WWW-Authenticate", 'Basic realm="Servery", charset="UTF-8"'),
)


class Access:
    """Middleware that answers 401 to whoever is not the person, or root.

    `owner_of` tells which user is at the other end of a connection.
    """

    def __init__(self, app: ASGIApp, token: AccessToken, owner_of: PeerOwner) -> None:
        self._app = app
        self._token = token
        self._owner_of = owner_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_allowed(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            response = error_response(
                401,
                "Only the user who runs Servery may do this without its token.",
                "Send what `servery token` prints, as `Authorization: Bearer TOKEN`, or as the"
                " password where a browser asks for one.",
            )
            for name, value in _CHALLENGES:
                response.headers.append(name, value)
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    def _is_allowed(self, scope: Scope) -> bool:
        open_to_all = scope.get("path") == HEALTH_PATH and scope.get("method") in ("GET", "HEAD")
        return open_to_all or self._is_person(scope) or self._has_token(scope)

    def _is_person(self, scope: Scope) -> bool:
        # Asked once: later the port may be another user's, but the connection is still this one.
        connection = connection_of(scope)
        if _OWNER not in connection.facts:
            # Asked before whether it is connected: a port that was given back in between may be
            # the person's by now.
            owner = self._own_connection(scope)
            connection.facts[_OWNER] = owner if connection.is_connected() else None
        return connection.facts[_OWNER] is not None

    def _own_connection(self, scope: Scope) -> int | None:
        """Return the owner of the client's end, if that is the person or root."""
        client, server = scope.get("client"), scope.get("server")
        if client is None or server is None or server[1] is None or not is_loopback(client[0]):
            return None
        owner = self._owner_of((client[0], client[1]), (server[0], server[1]))
        return owner if is_person_or_root(owner) else None

    def _has_token(self, scope: Scope) -> bool:
        sent = Headers(scope=scope).getlist("authorization")
        if len(sent) != 1:  # of two, another program on the way may mean the other
            return False
        scheme, _, value = sent[0].strip().partition(" ")
        if scheme.lower() == "bearer":
            return self._token.matches(value.strip())
        return scheme.lower() == "basic" and self._token.matches(_credentials(value.strip())[1])


def caller_name(scope: Scope) -> str:
    """Return who sends an admitted request, as far as that is known; empty if it is not.

    The login name of the user at the other end within this machine, or the name that was given
    with the token where a browser asks for one.
    """
    owner = connection_of(scope).facts.get(_OWNER)
    if owner is not None:
        try:
            return pwd.getpwuid(owner).pw_name
        except KeyError:  # a container's user without a name
            return ""
    sent = Headers(scope=scope).get("authorization", "").strip()
    scheme, _, value = sent.partition(" ")
    return _credentials(value.strip())[0] if scheme.lower() == "basic" else ""


def _credentials(value: str) -> tuple[str, str]:
    """Return name and password of `Authorization: Basic`; the name may be anything."""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        return name, password
    except (binascii.Error, ValueError):
        return "", ""
