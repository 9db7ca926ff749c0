"""The part of the program that listens: its socket, its signals, its end."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from serving.errors import ServeryError


class Server(uvicorn.Server):
    """Says when it listens, and lets its listeners end before it ends."""

    def __init__(
        self, config: uvicorn.Config, listening: Callable[[], None], ending: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._listening = listening
        self._ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in good order at SIGINT and SIGTERM, and leave the exit code to the program."""

        def ask_to_end(number: int, frame: FrameType | None) -> None:
            self.should_exit = True

        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, ask_to_end) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def listening_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Bind `port`, or a free one where it is taken, and say so.

    Raises ServeryError where the address is not this machine's.
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
        print(f"Port {port} is taken, so port {free} is used.", file=sys.stderr, flush=True)
    with listener:
        yield listener
