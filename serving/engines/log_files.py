"""The log of an instance, read from its file, in whose place its server puts a new one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from serving.files import changed_at, mark_newest, write_aside
from serving.model_server.log_limit import older_part
from serving.state_files import UnreadableFile, open_file
from serving.tf.file_watch import ChangeWatch

POLL_SECONDS = 0.2
"""Between two looks for new lines."""
NOTIFIED_SECONDS = 1.0
"""The same while the system would tell of some: then the program may have ended."""
TAIL_BYTES = 2**18
LOGS = "instance-*.log"
"""The logs of instances in their folder."""
MAX_KEPT_LOGS = 20
"""Logs of failed instances that are kept; the oldest ones beyond these are removed."""
MAX_KEPT_BYTES = 2**20
"""Of the end of each."""


@dataclass(frozen=True)
class _Position:
    """Up to where a file has been read."""

    inode: int = 0
    offset: int = 0

    @classmethod
    def of(cls, file: BinaryIO) -> _Position:
        return cls(os.fstat(file.fileno()).st_ino, file.tell())


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a text file, reading its last quarter megabyte at most."""
    text = _end(path)[0].decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""


async def follow(
    path: Path, lines: int, is_finished: Callable[[], bool]
) -> AsyncGenerator[str, None]:
    """Yield the last lines of a text file, then each new one, until `is_finished` or closed.

    The program may go on in a new file of the same name. A line that is not complete is yielded
    at the end.
    """
    text, position = await asyncio.to_thread(_end, path)
    *whole, unfinished = text.split(b"\n")
    for line in whole[-lines:] if lines > 0 else ():
        yield line.decode(errors="replace")
    finished = False

    def read() -> tuple[bool, bytes, _Position]:
        # Asked before reading: what was printed until then is read once more after the end.
        is_last = is_finished()
        return is_last, *_from(path, position)

    with ChangeWatch([path.parent], POLL_SECONDS) as watch:
        while not finished:
            finished, new, position = await asyncio.to_thread(read)
            *whole, unfinished = (unfinished + new).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
            if not finished:
                await watch.wait(NOTIFIED_SECONDS)
                # A program that prints a lot is read now and then.
                await asyncio.sleep(POLL_SECONDS)
    if unfinished:
        yield unfinished.decode(errors="replace")


def keep_log(path: Path, failure: str) -> None:
    """Keep the end of the log of an instance that failed under the same name, and why it did.

    One without a line is removed.
    """
    text = _end(path, MAX_KEPT_BYTES)[0].rstrip(b"\n")
    if not text:
        remove_log(path)
        return
    # On a full disk the log stays as it is.
    with contextlib.suppress(OSError):
        write_aside(path, b"\n".join([text, failure.encode(), b""]))
        older_part(path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        mark_newest(path, (each for each in path.parent.glob(LOGS) if each != path))


def remove_log(path: Path) -> None:
    older_part(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def remove_old_logs(folder: Path, names: Collection[str]) -> None:
    """Remove the oldest logs of instances that are gone; `names` are those that are there."""
    gone = [path for path in folder.glob(LOGS) if path.name not in names and not path.is_dir()]
    for path in sorted(gone, key=changed_at)[:-MAX_KEPT_LOGS]:
        with contextlib.suppress(OSError):
            remove_log(path)


def _end(path: Path, count: int = TAIL_BYTES) -> tuple[bytes, _Position]:
    """Return the last bytes of a log, its older part included, and the position after them."""
    text, position = _last(path, count)
    if len(text) < count:
        text = _last(older_part(path), count - len(text))[0] + text
    return text, position


def _last(path: Path, count: int) -> tuple[bytes, _Position]:
    try:
        with open_file(path) as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - count))
            return file.read(), _Position.of(file)
    except (OSError, UnreadableFile):
        return b"", _Position()


def _from(path: Path, position: _Position) -> tuple[bytes, _Position]:
    """Return what a log has after a position, and the position after that."""
    missed = b""
    try:
        with open_file(path) as file:
            if position.inode not in (0, os.fstat(file.fileno()).st_ino):
                missed, position = _rest(older_part(path), position), _Position()
            file.seek(position.offset)
            return missed + file.read(), _Position.of(file)
    except (OSError, UnreadableFile):
        # Between two files: the next look finds what is missed.
        return b"", position


def _rest(path: Path, position: _Position) -> bytes:
    """Return what came after a position in the file that has become the older part."""
    try:
        with open_file(path) as file:
            if os.fstat(file.fileno()).st_ino != position.inode:
                return b""
            file.seek(position.offset)
            return file.read()
    except (OSError, UnreadableFile):
        return b""
