"""What ends the backend: a signal, or the end of the program that started it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from backend.server import Server
from serving.parent import end_with_parent
from serving.signals import on_end_signals


class Shutdown:
    """Ends the program in good order; a second request changes nothing."""

    def __init__(self, starting: asyncio.Task[Any] | None) -> None:
        self._starting = starting
        self._server: Server | None = None

    def request(self) -> None:
        """End the server, or cancel the start if there is none yet."""
        if self._server is not None:
            self._server.should_exit = True
        elif self._starting is not None:
            self._starting.cancel()
            self._starting = None

    def set_server(self, server: Server) -> None:
        """From now on a request ends the server, in place of the start."""
        self._server = server


@contextmanager
def ending(parent_pipe: int | None) -> Iterator[Shutdown]:
    """Request the shutdown that it yields at a signal, or at the end of the parent.

    The current task is cancelled if that happens before there is a server.
    """
    loop = asyncio.get_running_loop()
    shutdown = Shutdown(asyncio.current_task())
    end = partial(_call, loop, shutdown.request)
    with on_end_signals(lambda number: end(), then_ignore=True):
        if parent_pipe is not None:
            end_with_parent(parent_pipe, end)
        yield shutdown


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(callback)
