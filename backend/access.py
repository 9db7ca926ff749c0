"""Lets in the person, and nobody else.

Over loopback the operating system says which user is at the other end, so the person's own
programs need nothing. Everybody else shows a token: another user of this machine, any other
machine, and callers of whom the system does not tell. The token of the workspace is the person's
own; those that the person gave to others have a role, and may be limited.
"""

from __future__ import annotations

import base64
import binascii
import pwd
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.http_errors import error_response
from backend.peer import Address, is_loopback, is_person_or_root
from backend.rate_limit import RateLimit
from backend.token_roles import needed_role
from serving.access_token import AccessToken
from serving.http.connection import connection_of
from serving.named_tokens import NamedToken, NamedTokens

PeerOwner = Callable[[Address, Address], int | None]
"""Returns the user id at the client's end of a connection, from both ends; None if unknown."""

HEALTH_PATH = "/healthz"
"""Open to everybody, so that a program that watches the service needs no token."""
FORWARDED_HEADER = "x-servery-forwarded"
"""Of a request that a backend hands to the trainer for a caller, whom it names with the token."""
_OWNER = "owner"
"""The fact of a connection: which user is at its other end, if that is the person or root."""
_CALLER = "caller"
"""In the state of a request: the name of the token that its caller showed."""
_CHARGE = "charge"
"""In the state of a request: a _Charge, which counts further predictions against the limit of its
token."""
_POLICY_VIOLATION = 1008
_CHALLENGES = (
    ("WWW-Authenticate", 'Bearer realm="Servery"'),
    # Browsers ask for a password then, and send it with events and images too.
    ("WWW-Authenticate", 'Basic realm="Servery", charset="UTF-8"'),
)


class Access:
    """Middleware that answers 401 to everybody but the person, root and owners of tokens.

    The latter get 403 for what their role may not do, and 429 if they ask too often. `owner_of`
    tells which user is at the other end of a connection.
    """

    def __init__(
        self, app: ASGIApp, token: AccessToken, tokens: NamedTokens, owner_of: PeerOwner
    ) -> None:
        self._app = app
        self._token = token
        self._tokens = tokens
        self._owner_of = owner_of
        self._rate_limit = RateLimit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_allowed(scope):
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        elif (token := self._tokens.find(shown_token(scope))) is None:
            await _unauthorized()(scope, receive, send)
        elif (refusal := self._refusal(scope, token)) is not None:
            await refusal(scope, receive, send)
        else:
            state = scope.setdefault("state", {})
            state[_CALLER] = token.name
            if token.requests_per_minute:
                state[_CHARGE] = _Charge(self._rate_limit, token)
            await self._app(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        open_to_all = scope.get("path") == HEALTH_PATH and scope.get("method") in ("GET", "HEAD")
        return open_to_all or self._is_person(scope) or self._token.matches(shown_token(scope))

    def _refusal(self, scope: Scope, token: NamedToken) -> Response | None:
        """Return why the owner of a token is not answered; None if they are."""
        needed = needed_role(scope["method"], scope["path"])
        if not token.role.may(needed):
            return error_response(
                403,
                f"The token {token.name} may not do this: its role is {token.role}.",
                "Ask who gave it to you for one that may:"
                f" `servery token new NAME --role {needed}`.",
            )
        if token.requests_per_minute:
            seconds = self._rate_limit.wait_seconds(token.digest, token.requests_per_minute)
            if seconds:
                response = error_response(
                    429,
                    f"The token {token.name} may be used {token.requests_per_minute} times a"
                    " minute, which it was.",
                    f"Try again in {seconds} s.",
                )
                response.headers["Retry-After"] = str(seconds)
                return response
        return None

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


class _Charge:
    """What one request is counted as against the limit of its token: as one, to begin with."""

    def __init__(self, rate_limit: RateLimit, token: NamedToken) -> None:
        self._rate_limit, self._token = rate_limit, token
        self._counted = 1

    def grow(self, count: int) -> None:
        if count > self._counted:
            self._rate_limit.charge(self._token.digest, count - self._counted)
            self._counted = count


def charge(scope: Scope, count: int) -> None:
    """Count a request that was admitted as `count` requests, if its token has a limit."""
    if (counted := scope.get("state", {}).get(_CHARGE)) is not None:
        counted.grow(count)


def shown_token(scope: Scope) -> str:
    """Return the token that comes with a request, of the person or of others; empty without."""
    sent = Headers(scope=scope).getlist("authorization")
    if len(sent) != 1:  # of two, another program on the way may mean the other
        return ""
    scheme, _, value = sent[0].strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return _credentials(value.strip())[1] if scheme.lower() == "basic" else ""


def caller_name(scope: Scope) -> str:
    """Return who sends an admitted request, as far as that is known; empty if it is not.

    The login name of the user at the other end within this machine, the name of a token that the
    person gave away, or the name that was given with the person's own where a browser asks for one.
    """
    named = scope.get("state", {}).get(_CALLER, "")
    if named:
        return str(named)
    owner = connection_of(scope).facts.get(_OWNER)
    if owner is not None and not is_forwarded(scope):
        try:
            return pwd.getpwuid(owner).pw_name
        except KeyError:  # a container's user without a name
            return ""
    sent = Headers(scope=scope).get("authorization", "").strip()
    scheme, _, value = sent.partition(" ")
    return _credentials(value.strip())[0] if scheme.lower() == "basic" else ""


def has_named_token(scope: Scope) -> bool:
    """Whether a request comes with a token that the person gave to somebody else."""
    return bool(scope.get("state", {}).get(_CALLER))


def is_forwarded(scope: Scope) -> bool:
    """Whether another backend sends a request for a caller of its own."""
    return FORWARDED_HEADER in Headers(scope=scope)


def _unauthorized() -> Response:
    response = error_response(
        401,
        "Only the user who runs Servery may do this without a token.",
        "Send what `servery token` prints, as `Authorization: Bearer TOKEN`, or as the"
        " password where a browser asks for one.",
    )
    for name, value in _CHALLENGES:
        response.headers.append(name, value)
    return response


def _credentials(value: str) -> tuple[str, str]:
    """Return name and password of `Authorization: Basic`; the name may be anything."""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        return name, password
    except (binascii.Error, ValueError):
        return "", ""
