"""The part of the program that listens: its socket, its signals, its shutdown."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType

from fastapi import FastAPI

from serving.errors import ServeryError
from serving.http.limits import DEFAULT_LIMITS, HttpLimits
from serving.http.server import BoundedServer
from serving.text.log_lines import print_line

SHUTDOWN_SECONDS = 5
"""How long requests may go on after the program was asked to end."""


class Server(BoundedServer):
    """Reports when it listens, and ends its event streams before it waits for requests."""

    def __init__(
        self,
        app: FastAPI,
        on_listening: Callable[[], None],
        on_shutdown: Callable[[], None],
        limits: HttpLimits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(app, limits, timeout_graceful_shutdown=SHUTDOWN_SECONDS)
        self._on_listening = on_listening
        self._on_shutdown = on_shutdown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # First, since an event stream never ends by itself and uvicorn waits for every response.
        self._on_shutdown()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in good order at SIGINT and SIGTERM.

        uvicorn's own would raise the signal again afterwards, and with it the exit code.
        """

        def request_exit(number: int, frame: FrameType | None) -> None:
            self.should_exit = True

        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, request_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def listening_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Bind `port`, or a free one if it is taken, and print which.

    Raises ServeryError if the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        try:
            listener = socket.create_server((host, 0), family=family)
        except OSError:
            raise ServeryError(
                f"The backend cannot listen at {host}: {error.strerror}.",
                "Give another address with --host.",
            ) from error
        free = listener.getsockname()[1]
        print_line(f"Port {port} is taken, so port {free} is used.")
    with listener:
        yield listener


def url_of(listener: socket.socket) -> str:
    """Return the URL at which programs on this machine reach a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
