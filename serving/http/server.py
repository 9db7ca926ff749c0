"""An HTTP server whose clients can neither hold up each other nor keep it from anything."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import uvicorn

from serving.http.connection import HttpProtocol, Turns
from serving.http.limits import HttpLimits, affordable_connections
from serving.http.listener import Listener

_SWEEP_TICKS = 5
"""Of uvicorn's, which are 0.1 s apart, between two looks for what is overdue."""


class BoundedServer(uvicorn.Server):
    """Serves an ASGI application on sockets that are handed to `serve`, within `limits`."""

    def __init__(self, app: Any, limits: HttpLimits, **settings: Any) -> None:
        """`settings` are more of `uvicorn.Config`."""
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpProtocol,
                ws="none",
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                # The address of a caller is that of its connection, whatever it claims.
                proxy_headers=False,
                timeout_keep_alive=limits.idle_seconds,
                **settings,
            )
        )
        self.limits = limits
        self._listeners: list[Listener] = []
        self._turns: Turns | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections; called by uvicorn."""
        # Without sockets, since asyncio's servers accept whatever comes, until no descriptor
        # is left for anything else.
        await super().startup(sockets=[])
        self._turns = Turns(asyncio.get_running_loop())
        limit = affordable_connections(self.limits.connections)
        self._listeners = [
            Listener(
                listening,
                self._new_protocol,
                # uvicorn allows all of its own protocols there, and this server has one.
                cast(set[HttpProtocol], self.server_state.connections),
                limit,
                self.config.backlog,
            )
            for listening in sockets or ()
        ]
        # At its shutdown, uvicorn only closes what is in here and waits for that.
        self.servers = cast(list[asyncio.Server], self._listeners)

    async def on_tick(self, counter: int) -> bool:
        """End overdue connections, and accept again where there was no room."""
        if counter % _SWEEP_TICKS == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, HttpProtocol):
                    connection.end_if_overdue(self.limits)
        for listener in self._listeners:
            listener.resume()
        return await super().on_tick(counter)

    def _new_protocol(self) -> HttpProtocol:
        return HttpProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            turns=self._turns,
        )
