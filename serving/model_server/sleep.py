"""How a server falls asleep after a while without calls, and what it does when it has woken.

    <id>.asleep     beside the ports file, from when it falls asleep until it listens again

Asleep, the process is `serving.model_server.sleeper`, of a few megabytes, which has the very
same sockets in the file system: a client that connects wakes it, and waits until it answers.
Health, metrics and the states of versions are no calls. See docs/decisions/sleep.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from serving.http.unix_socket import keep_to_owner
from serving.model_server import sleeper

log = logging.getLogger(__name__)

ASLEEP_SUFFIX = ".asleep"
SETTLE_SECONDS = 0.2
"""In which the server accepts those who had connected before the sockets were replaced."""
RELAY_SECONDS = 5.0
"""For which a server that has woken waits for the next that had connected before."""
CHUNK_BYTES = 1 << 18
_BACKLOG = 1024


class CallWatch:
    """Knows for how long nobody has called."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls = 0
        self._last = clock()

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Count a call for the length of the block."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._last = self._clock()

    @property
    def idle_seconds(self) -> float:
        """How long ago the last call ended; 0 during one."""
        return 0.0 if self._calls else self._clock() - self._last


def asleep_file(ports_file: Path) -> Path:
    """Return the file that says that a server sleeps, by its ports file."""
    return ports_file.with_suffix(ASLEEP_SUFFIX)


def first_path(path: str) -> str:
    """Return where a server that may fall asleep binds a socket, to be renamed to `path` then.

    Servers remove what they have bound when they end. So the path that clients know stays, for the
    one that takes its place. It is no longer than `path`, whose length the system limits.
    """
    known = Path(path)
    return str(known.with_name(f"{known.stem}.{known.suffix[1:2] or 's'}"))


class Sleep:
    """Falls asleep in time: `prepare`, then end all that serves, then `begin`."""

    def __init__(
        self, activity: CallWatch, seconds: float, ports_file: Path, paths: Sequence[str]
    ) -> None:
        """It is due after so many `seconds` without a call; `paths` are the server's sockets."""
        self._activity, self._seconds = activity, seconds
        self._ports_file, self._paths = ports_file, paths
        self._sockets: list[socket.socket] = []

    @property
    def is_prepared(self) -> bool:
        return bool(self._sockets)

    def show(self, bound: Sequence[str]) -> None:
        """Give what the server has bound, see `first_path`, the names that clients know."""
        for path, known in zip(bound, self._paths, strict=True):
            Path(path).replace(known)

    async def prepare(self) -> None:
        """Return once there was no call for long enough, and nobody new comes to the server.

        Raises OSError.
        """
        while (left := self._seconds - self._activity.idle_seconds) > 0:  # noqa: ASYNC110 - each call extends it
            await asyncio.sleep(left)
        asleep_file(self._ports_file).touch()
        self._sockets = [_listen_in_place_of(path) for path in self._paths]
        await asyncio.sleep(SETTLE_SECONDS)

    def begin(self) -> None:
        """Become the program that sleeps; does not return. Raises OSError."""
        kept = [each.fileno() for each in self._sockets]
        for each in list(Path("/proc/self/fd").iterdir()):
            number = int(each.name)
            with contextlib.suppress(OSError):  # that of the folder, which is closed by now
                os.set_inheritable(number, number <= 2 or number in kept)
        command = (
            [sys.executable, "--run-module", sleeper.__name__]
            if getattr(sys, "frozen", False)
            # Without what is installed: it needs nothing of that, which would take memory.
            else [sys.executable, "-S", sleeper.__file__]
        )
        log.info("No call for %.0f s: its memory is given back until the next one", self._seconds)
        words = [",".join(map(str, kept)), str(self._ports_file), *sys.orig_argv]
        os.execv(command[0], [*command, *words])


class Woken:
    """The sockets of the program that slept, and those who have connected to them."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Take them over, if this process slept before; `paths` are what they were bound for."""
        found = os.environ.pop(sleeper.LISTENERS_VARIABLE, "")
        self._listeners: list[tuple[socket.socket, str]] = []
        for word, path in zip(filter(None, found.split(",")), paths, strict=False):
            listener = socket.socket(fileno=int(word))
            listener.set_inheritable(False)
            listener.setblocking(False)
            self._listeners.append((listener, path))

    async def relay(self) -> None:
        """Connect those who came meanwhile to the server, which listens at the same paths now.

        Goes on for as long as one of these connections is open.
        """
        async with asyncio.TaskGroup() as group:
            for listener, path in self._listeners:
                group.create_task(_relay_all(listener, path, group))


async def _relay_all(listener: socket.socket, path: str, group: asyncio.TaskGroup) -> None:
    loop = asyncio.get_running_loop()
    with listener, contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(RELAY_SECONDS):
                connection, _ = await loop.sock_accept(listener)
            group.create_task(_relay(connection, path))


async def _relay(connection: socket.socket, path: str) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    with contextlib.suppress(OSError), contextlib.closing(writer):
        server_reader, server_writer = await asyncio.open_unix_connection(path)
        with contextlib.closing(server_writer):
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _listen_in_place_of(path: str) -> socket.socket:
    """Return a new socket that has taken the place of the one at `path`; raises OSError."""
    aside = Path(first_path(path))
    aside.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(aside))
        keep_to_owner(str(aside))
        listener.listen(_BACKLOG)
        aside.replace(path)
    except OSError:
        listener.close()
        raise
    return listener
