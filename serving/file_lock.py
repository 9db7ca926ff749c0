"""Locks that keep programs, and the coroutines of one program, from acting at once.

Whether one is held, and by whom: `serving.lock_state`.
"""

from __future__ import annotations

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
