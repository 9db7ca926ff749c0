"""The log of an instance, read from its file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

POLL_SECONDS = 0.2
"""Between two polls for new lines."""
TAIL_BYTES = 2**18


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a text file, reading its last quarter megabyte at most."""
    text = _end(path)[0].decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""


async def follow(
    path: Path, lines: int, is_finished: Callable[[], bool]
) -> AsyncGenerator[str, None]:
    """Yield the last lines of a text file, then each new one, until `is_finished` or closed.

    A line that is not complete is yielded at the end.
    """
    text, position = await asyncio.to_thread(_end, path)
    *whole, unfinished = text.split(b"\n")
    for line in whole[-lines:] if lines > 0 else ():
        yield line.decode(errors="replace")
    finished = False
    while not finished:
        # Asked before reading: what was printed until then is read once more after the end.
        finished = await asyncio.to_thread(is_finished)
        new = await asyncio.to_thread(_from, path, position)
        position += len(new)
        *whole, unfinished = (unfinished + new).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
        if not finished:
            await asyncio.sleep(POLL_SECONDS)
    if unfinished:
        yield unfinished.decode(errors="replace")


def _end(path: Path) -> tuple[bytes, int]:
    """Return the last bytes of a file, and the position after them."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read(), file.tell()
    except FileNotFoundError:
        return b"", 0


def _from(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read()
    except FileNotFoundError:
        return b""
