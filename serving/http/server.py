"""An HTTP server whose clients can neither hold up each other nor keep it from anything."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, cast

import uvicorn

from serving.http.connection import HttpProtocol, Turns
from serving.http.limits import HttpLimits, affordable_connections
from serving.http.listener import Listener

_SWEEP_SECONDS = 0.5
"""Between two looks for what is overdue, while a client has something to do."""
_CALM_SWEEP_SECONDS = 3.0
"""The same while connections are only kept, for other requests or for a stream without an end."""
_RESUME_SECONDS = 0.1
"""Before a listener that had no room accepts again."""


class BoundedServer(uvicorn.Server):
    """Serves an ASGI application on sockets that are handed to `serve`, within `limits`."""

    def __init__(
        self, app: Any, limits: HttpLimits, tls: ssl.SSLContext | None = None, **settings: Any
    ) -> None:
        """With `tls` connections are encrypted. `settings` are more of `uvicorn.Config`."""
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
        self._tls = tls
        self._listeners: list[Listener] = []
        self._turns: Turns | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick = asyncio.Event()

    @property
    def should_exit(self) -> bool:
        """Set to end the server, on any thread."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._should_exit = value
        if value and self._loop is not None:
            self._loop.call_soon_threadsafe(self._tick.set)

    async def main_loop(self) -> None:
        """Run until the end; unlike uvicorn's, it does nothing while there is nothing to do."""
        self._loop = asyncio.get_running_loop()
        begins = False
        while not await self.on_tick(0):
            begins = await self._next_tick(begins)

    async def _next_tick(self, begins: bool) -> bool:
        """Wait for something to do; `begins` and the result say whether a connection begins."""
        try:
            async with asyncio.timeout(self._pause(begins)):
                await self._tick.wait()
        except TimeoutError:
            return False
        self._tick.clear()
        return True

    def _pause(self, begins: bool) -> float | None:
        """Return how many seconds may pass before the next look; None if nothing is to be done."""
        if any(listener.is_paused for listener in self._listeners):
            return _RESUME_SECONDS
        connections = self.server_state.connections
        if begins:  # what begins is no connection yet
            return _SWEEP_SECONDS
        if not connections:
            return None
        is_calm = all(isinstance(each, HttpProtocol) and each.is_kept for each in connections)
        return _CALM_SWEEP_SECONDS if is_calm else _SWEEP_SECONDS

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
                self._tick.set,
                self._tls,
                self.limits.head_seconds,
            )
            for listening in sockets or ()
        ]
        # At its shutdown, uvicorn only closes what is in here and waits for that.
        self.servers = cast(list[asyncio.Server], self._listeners)

    async def on_tick(self, counter: int) -> bool:
        """End overdue connections, and accept again where there was no room."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpProtocol):
                connection.end_if_overdue(self.limits)
        for listener in self._listeners:
            listener.resume()
        return await super().on_tick(counter)

    def _new_protocol(self) -> HttpProtocol:
        self._tick.set()
        return HttpProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            turns=self._turns,
        )
