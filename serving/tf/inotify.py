"""Linux tells when files change: inotify, through the C library.

It says nothing of what another machine does on a network file system, and a system may have no
room for one more: what waits also looks now and then.
"""

from __future__ import annotations

import ctypes
import os
import select
from collections.abc import Iterable
from pathlib import Path
from typing import Self

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_IN_FOLDER = (_MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE) | (
    _DELETE_SELF | _MOVE_SELF
)
_EVENT_BYTES = 1 << 14


class Inotify:
    """Becomes readable when something changes in what it watches.

    Raises OSError if the system has no inotify, or no room for one more.
    """

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(None, use_errno=True)
            self._init = self._library.inotify_init1
        except AttributeError as error:
            raise OSError("This system has no inotify.") from error
        self.descriptor = self._init(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise _error()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def watch_folder(self, folder: Path) -> None:
        """Notice what happens to the files in a folder; raises OSError."""
        self._add(folder, _IN_FOLDER)

    def watch_writes(self, file: Path) -> None:
        """Notice writes to a file; raises OSError."""
        self._add(file, _MODIFY | _DELETE_SELF)

    def wait(self) -> None:
        """Block until something has changed, then forget it."""
        waiting = select.poll()  # unlike `select`, with descriptors of any number
        waiting.register(self.descriptor, select.POLLIN)
        waiting.poll()
        self.clear()

    def clear(self) -> None:
        """Forget what has changed so far."""
        try:
            while os.read(self.descriptor, _EVENT_BYTES):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _add(self, path: Path, mask: int) -> None:
        added = self._library.inotify_add_watch(
            self.descriptor, os.fsencode(path), ctypes.c_uint32(mask)
        )
        if added < 0:
            raise _error()


def watching(folders: Iterable[Path]) -> Inotify | None:
    """Return what watches folders; None if one of them cannot be watched, or is not there."""
    try:
        inotify = Inotify()
    except OSError:
        return None
    try:
        for folder in folders:
            inotify.watch_folder(folder)
    except OSError:
        inotify.close()
        return None
    return inotify


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
