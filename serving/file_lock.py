"""Locks that keep programs, and the coroutines of one program, from acting at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import AsyncFileLock

from serving.errors import EngineError, storage_error


@asynccontextmanager
async def file_lock(path: Path) -> AsyncIterator[None]:
    """Hold the lock file `path` alone among all programs; waits for as long as it takes.

    The operating system releases it when its holder ends, however that ends.
    Raises EngineError if the file cannot be opened.
    """
    # Trying never blocks, so no thread is needed; a waiting one could not be cancelled.
    lock = AsyncFileLock(path, run_in_executor=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        await lock.acquire()
    except OSError as error:
        what = f"The lock file {path} cannot be opened"
        raise storage_error(error, path, what, EngineError) from error
    try:
        yield
    finally:
        await lock.release()


def lock_holder(path: Path) -> int | None:
    """Return the id of the process that holds the lock file `path`; None if nobody can tell.

    Also None if nobody holds it: see `is_locked`. Linux alone says who does.
    """
    try:
        status = path.stat()
        table = Path("/proc/locks").read_text()
    except OSError:
        return None
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in table.splitlines():
        # 7: FLOCK  ADVISORY  WRITE 1458 fe:00:753898 0 EOF
        words = line.split()
        if len(words) > 5 and (words[1], words[3], words[5]) == ("FLOCK", "WRITE", file):
            return int(words[4]) or None
    return None


def is_locked(path: Path) -> bool:
    """Whether some process, this one included, holds the lock file `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is not waited for
    except OSError:
        return False
    try:
        # Without waiting, and shared, so that two that ask at once do not take each other for
        # the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False
