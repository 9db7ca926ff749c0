"""The HTTP side of the server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.http.limits import DEFAULT_LIMITS, HttpLimits
from serving.http.server import BoundedServer
from serving.http.unix_socket import listen_on
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
    """Serves the REST API on a port, a UNIX socket or both, once started."""

    def __init__(self, api: RestApi, limits: HttpLimits = DEFAULT_LIMITS) -> None:
        self._server = _Server(api, limits)
        self._serving: asyncio.Task[None] | None = None
        self._socket_path = ""

    async def start(self, host: str | None, port: int, socket_path: str = "") -> int | None:
        """Listen; returns the port, if any. Raises ServingError if an address is taken.

        Without a `host`, on the socket alone.
        """
        listeners: list[socket.socket] = []
        try:
            if host is not None:
                listeners.append(_listen(host, port))
            if socket_path:
                listeners.append(_listen_on_socket(socket_path))
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
        self._socket_path = socket_path
        self._serving = asyncio.create_task(self._server.serve(sockets=listeners))
        await self._server.listening.wait()
        return int(listeners[0].getsockname()[1]) if host is not None else None

    async def stop(self, grace: float) -> None:
        """Refuse new calls, and finish the accepted ones within `grace` seconds."""
        if self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = round(grace)
        self._server.should_exit = True
        await self._serving
        if self._socket_path:
            with contextlib.suppress(OSError):  # a disk that can only be read keeps it
                await asyncio.to_thread(Path(self._socket_path).unlink, missing_ok=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise _taken(f"{host}:{port}", error) from error
    return listener


def _listen_on_socket(path: str) -> socket.socket:
    try:
        return listen_on(path)
    except OSError as error:
        raise _taken(path, error) from error


def _taken(address: str, error: OSError) -> ServingError:
    return ServingError(
        Code.UNAVAILABLE,
        f"The REST API cannot listen on {address}: {error.strerror or error}. "
        "Is another server running there?",
    )
