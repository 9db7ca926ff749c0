"""A short way to a route for the requests that are sent most: those with a plain query or none."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from backend.deadline import DEADLINE_HEADER, MAX_DEADLINE_SECONDS

_MAX_PARAMETERS = 8
_MAX_DIGITS = 18
_SECONDS = re.compile(r"\d{1,4}(\.\d{1,6})?")
_HEADER = DEADLINE_HEADER.lower().encode()
_PARAMETERS = "plain_parameters"

Parser = Callable[[str], Any]
"""Returns what the text of a parameter means; None if it is not plainly that."""


def text(value: str) -> str:
    return value


def number(maximum: int) -> Parser:
    """Parse a number from 1 to `maximum`."""

    def parse(value: str) -> int | None:
        if not (value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS):
            return None
        return int(value) if 1 <= int(value) <= maximum else None

    return parse


def deadline_seconds(value: str) -> float | None:
    if not _SECONDS.fullmatch(value):
        return None
    return float(value) if 0 < float(value) <= MAX_DEADLINE_SECONDS else None


class PlainQueryRoute(BaseRoute):
    """Calls the endpoint of a FastAPI route without what FastAPI does for each request.

    To find a route, and to check parameters by their types, takes it as long as all that is done
    for a photo. This one matches a request only if its parameters are plainly what that route
    would make of them. All others go to that one, which also says what is wrong with them.
    """

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Callable[..., Awaitable[Response]],
        parameters: Mapping[str, tuple[str, Parser]],
    ) -> None:
        """`parameters` are by their names in the query: the endpoint's name, and the parser."""
        self.path = path
        self._method, self._endpoint, self._parameters = method, endpoint, parameters

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if (
            scope["type"] != "http"
            or scope["path"] != self.path
            or scope["method"] != self._method
            or (parameters := self._parse(scope)) is None
        ):
            return Match.NONE, {}
        return Match.FULL, {"route": self, "endpoint": self._endpoint, _PARAMETERS: parameters}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await self._endpoint(request, **scope[_PARAMETERS])
        await response(scope, receive, send)

    def _parse(self, scope: Scope) -> dict[str, Any] | None:
        """Return the arguments of the endpoint; None if they are not plain."""
        if any(name == _HEADER for name, _ in scope["headers"]):
            return None
        arguments: dict[str, Any] = {}
        if not scope["query_string"]:
            return arguments
        try:
            query = parse_qsl(
                scope["query_string"].decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                max_num_fields=_MAX_PARAMETERS,
            )
        except ValueError:  # UnicodeDecodeError is one
            return None
        for name, value in query:
            if name not in self._parameters:
                return None
            argument, parse = self._parameters[name]
            parsed = parse(value)
            if parsed is None or argument in arguments:
                return None
            arguments[argument] = parsed
        return arguments
