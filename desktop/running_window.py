"""One window a workspace: a second start hands its files to the first one, and shows it; no Qt.

They meet at a UNIX socket in the workspace, which is the person's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from desktop.translation import tr
from serving.errors import ServeryError
from serving.workspace import Workspace

_NAME = "window.sock"
_MAX_BYTES = 64 * 2**20
"""Of one request: a hundred thousand long paths."""
_ANSWER_SECONDS = 60.0
"""How long a window may take to answer; one that is starting on a busy machine takes seconds."""
_TOKEN = "XDG_ACTIVATION_TOKEN"
"""With it, a Wayland desktop lets another program come to the front."""


class WindowBusy(ServeryError):
    """There is a window, which does not answer."""


@dataclass(frozen=True)
class OpenRequest:
    """What a second start asks the window for: to show itself, and to classify files."""

    paths: tuple[Path, ...] = ()
    """Absolute; files and folders."""
    token: str = ""
    """Of the desktop, to come to the front with; empty for none."""


def hand_over(workspace: Workspace, paths: Sequence[Path]) -> bool:
    """Give files to the window of a workspace and have it shown; returns whether there is one.

    Raises WindowBusy if it does not answer.
    """
    request = {
        # Without `..`, which `Path.absolute` keeps; links stay, which `Path.resolve` follows.
        "paths": [os.path.abspath(path) for path in paths],  # noqa: PTH100
        "token": os.environ.get(_TOKEN, ""),
    }
    with _short_path(workspace.run) as path, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(path)
        except OSError:
            return False  # no window, or one that was killed
        try:
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(16)
        except OSError as error:
            raise _busy() from error
    if not answer:
        raise _busy()
    return True


@asynccontextmanager
async def taking_files(
    workspace: Workspace, on_request: Callable[[OpenRequest], None]
) -> AsyncIterator[bool]:
    """Take what other starts hand over for the length of the block.

    Yields whether it does: not if another window of the workspace does already, or the disk
    refuses a socket.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            on_request(_decode(await _read(reader)))
            writer.write(b"taken\n")
            await writer.drain()
        writer.close()

    with _short_path(workspace.run) as path:
        listening = _listen(path)
        if listening is None:
            yield False
            return
        server = await asyncio.start_unix_server(answer, sock=listening)
        try:
            yield True
        finally:
            server.close()
            _remove(path)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink()


def _listen(path: str) -> socket.socket | None:
    listening = socket.socket(socket.AF_UNIX)
    try:
        try:
            listening.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or _answers(path):
                raise
            Path(path).unlink()  # of a window that was killed
            listening.bind(path)
        listening.listen()
        listening.setblocking(False)
    except OSError:
        listening.close()
        return None
    return listening


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """Yield a path to the socket that is short enough, however long that of `folder` is."""
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        yield str(folder / _NAME)
        return
    try:
        yield f"/proc/self/fd/{descriptor}/{_NAME}"
    finally:
        os.close(descriptor)


async def _read(reader: asyncio.StreamReader) -> bytes:
    content = bytearray()
    while part := await reader.read(2**16):
        content += part
        if len(content) > _MAX_BYTES:
            raise ValueError("too long a request")
    return bytes(content)


def _decode(content: bytes) -> OpenRequest:
    """Return a request; raises ValueError for anything else, such as a look whether one answers."""
    raw = json.loads(content)
    if not isinstance(raw, dict) or not isinstance(raw.get("paths"), list):
        raise ValueError("no request")
    paths = [Path(path) for path in raw["paths"] if isinstance(path, str)]
    return OpenRequest(
        tuple(path for path in paths if path.is_absolute()), str(raw.get("token", ""))
    )


def _busy() -> WindowBusy:
    return WindowBusy(
        tr("Servery's window is open and does not answer."),
        tr("Wait a moment and try again, or end it with `servery stop`."),
    )
