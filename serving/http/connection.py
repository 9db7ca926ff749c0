"""One accepted HTTP connection, which may carry many requests one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

_KEY = "connection"


@dataclass(eq=False)
class Connection:
    """What is known of a connection; the same object for each of its requests."""

    facts: dict[str, Any] = field(default_factory=dict)
    """What middleware found out about it once, by a name of its own."""


class HttpProtocol(H11Protocol):
    """uvicorn's protocol, which also tells the application which connection a request is on.

    Give it to `uvicorn.Config(http=...)`.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # uvicorn copies this dictionary for each request, but not what is in it.
        self.app_state = {**self.app_state, _KEY: Connection()}


def connection_of(scope: MutableMapping[str, Any]) -> Connection:
    """Return the connection that a request came on; a new one for a request made by a test."""
    state = scope.setdefault("state", {})
    return cast(Connection, state.setdefault(_KEY, Connection()))
