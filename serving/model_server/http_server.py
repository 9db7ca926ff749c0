"""The HTTP side of the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from serving.http.limits import DEFAULT_LIMITS, HttpLimits
from serving.http.server import BoundedServer
from serving.model_server.rest import RestApi
from serving.tf.status import Code, ServingError

_BACKLOG = 1024
_MAX_HEADER_BYTES = 1 << 16


class _Server(BoundedServer):
    def __init__(self, api: RestApi, limits: HttpLimits) -> None:
        super().__init__(
            api,
            limits,
            lifespan="off",
            backlog=_BACKLOG,
            h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        )
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and set `listening`."""
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not handle signals: the program that runs both servers does."""
        yield


class HttpServer:
    """Serves the REST API on one port, once started."""

    def __init__(self, api: RestApi, limits: HttpLimits = DEFAULT_LIMITS) -> None:
        self._server = _Server(api, limits)
        self._serving: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises ServingError if the address is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise ServingError(
                Code.UNAVAILABLE,
                f"The REST API cannot listen on {host}:{port}: {error.strerror}. "
                "Is another server running there?",
            ) from error
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        await self._server.listening.wait()
        return int(listener.getsockname()[1])

    async def stop(self, grace: float) -> None:
        """Refuse new calls, and finish the accepted ones within `grace` seconds."""
        if self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = round(grace)
        self._server.should_exit = True
        await self._serving
