"""Waits for files to change.

Linux notifies of changes: see `serving.tf.inotify`. Where it does not, files are polled, and less
often where it does, since it says nothing of what another machine changes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from serving.tf.inotify import Inotify, watching

POLL_SECONDS = 0.1
"""Between two looks where the system does not notify; each takes some microseconds."""
NOTIFIED_POLL_SECONDS = 5.0
"""Between two looks where it does: it says nothing of what another machine changes."""

FileState = tuple[int, ...] | None


def file_state(path: Path) -> FileState:
    """Return what changes whenever a file is replaced or written to; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


async def wait_for_change(path: Path, before: FileState, seconds: float) -> None:
    """Return once the state of a file is not `before`, after so many seconds at the latest."""
    await wait_for_changes({path: before}, seconds)


async def wait_for_changes(before: Mapping[Path, FileState], seconds: float) -> None:
    """Return once the state of a file is not the one given, after so many seconds at the latest."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    with ChangeWatch({path.parent for path in before}) as watch:
        while all(file_state(path) == state for path, state in before.items()):
            left = end - loop.time()
            if left <= 0:
                return
            await watch.wait(min(left, NOTIFIED_POLL_SECONDS))


class ChangeWatch:
    """Wakes who waits for something to change in folders; belongs to one event loop."""

    def __init__(self, folders: Iterable[Path], poll_seconds: float = POLL_SECONDS) -> None:
        """Where the system does not tell, each wait ends after `poll_seconds`."""
        self._folders, self._poll_seconds = tuple(folders), poll_seconds
        self._inotify: Inotify | None = None
        self._changed = asyncio.Event()
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.descriptor)
            self._inotify.close()
            self._inotify = None

    async def wait(self, seconds: float) -> bool:
        """Return soon after something may have changed or `wake`, and after so many seconds.

        Returns whether the system said so or `wake` did; some systems never notify.
        """
        if self._inotify is None:
            self._open()  # a folder may be there by now
            seconds = min(self._poll_seconds, seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        notified = self._changed.is_set()
        self._changed.clear()
        return notified

    def wake(self) -> None:
        """Let the wait end that goes on, or the next one."""
        self._changed.set()

    def _open(self) -> None:
        self._inotify = watching(self._folders)
        if self._inotify is not None:
            asyncio.get_running_loop().add_reader(self._inotify.descriptor, self._on_readable)

    def _on_readable(self) -> None:
        if self._inotify is not None:
            self._inotify.clear()
        self._changed.set()
