"""Locks that keep programs, and the coroutines of one program, from acting at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import AsyncFileLock

from serving.errors import EngineError


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
        raise EngineError(
            f"The lock file {path} cannot be opened: {error.strerror}.",
            "Make room on the disk, or give yourself the right to write there.",
        ) from error
    try:
        yield
    finally:
        await lock.release()
