"""The part of the program that listens: its socket, its signals, its shutdown."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable, Iterator

from starlette.types import ASGIApp

from serving.errors import ServeryError
from serving.http.limits import DEFAULT_LIMITS, HttpLimits
from serving.http.server import BoundedServer
from serving.listen_address import address_url
from serving.text.log_lines import print_line

SHUTDOWN_SECONDS = 5
"""How long requests may go on after the program was asked to end."""
_REASONS = {
    errno.EADDRINUSE: "another program uses it",
    errno.EACCES: "only the administrator may use it",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
}
"""Why an address cannot be listened at, as the rest of a sentence."""


class Server(BoundedServer):
    """Reports when it listens, and ends its event streams before it waits for requests."""

    def __init__(
        self,
        app: ASGIApp,
        on_listening: Callable[[], None],
        on_shutdown: Callable[[], None],
        limits: HttpLimits = DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(app, limits, tls, timeout_graceful_shutdown=SHUTDOWN_SECONDS)
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
        """Leave the signals to the program, which ends in good order at more of them.

        uvicorn's own would raise the signal again afterwards, and with it the exit code.
        """
        yield


@contextlib.contextmanager
def listening_socket(host: str, port: int, *, exact_port: bool = False) -> Iterator[socket.socket]:
    """Bind `port`, or a free one if it is taken and need not be that one, and print which.

    Raises ServeryError if the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        if exact_port and _belongs_here(host, family):
            raise ServeryError(
                f"Port {port} of {host} cannot be used: {_reason(error)}.",
                "Give another port with --port, or 0 for any free one.",
            ) from error
        try:
            listener = socket.create_server((host, 0), family=family)
        except OSError:
            raise ServeryError(
                f"The backend cannot listen at {host}: {_reason(error)}.",
                "Give another address with --host.",
            ) from error
        free = listener.getsockname()[1]
        print_line(f"Port {port} is taken, so port {free} is used.")
    with listener:
        yield listener


def _belongs_here(host: str, family: socket.AddressFamily) -> bool:
    """Whether this machine has the address, so that it is the port that cannot be used."""
    try:
        socket.create_server((host, 0), family=family).close()
    except OSError:
        return False
    return True


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    # Not `strerror`: the socket module adds the address to it once more.
    return _REASONS.get(error.errno or 0) or os.strerror(error.errno or errno.EIO)


def url_of(listener: socket.socket, *, encrypted: bool = False) -> str:
    """Return the URL at which programs on this machine reach a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return address_url(host, port, encrypted=encrypted)
