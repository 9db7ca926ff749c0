"""The backend's SQLite database: one connection, used by one thread only."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from backend.store.schema import migrate
from serving.errors import BackendError

T = TypeVar("T")


class Database:
    """Runs functions on the one connection, in turn, off the event loop.

    Write-ahead logging with `synchronous=FULL`: when `transaction` returns, what
    it wrote survives a power cut. Every sqlite3 error comes out as BackendError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file, creating or migrating it; raises BackendError where it cannot."""
        await self._run(self._open)

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction: all of it is on disk, or none of it.

        A caller that is cancelled meanwhile does not stop `work`.
        """

        def inside() -> T:
            assert self._connection is not None
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                return work(self._connection)

        return await self._run(inside)

    async def close(self) -> None:
        """Finish what was accepted, then close; the database is then useless."""
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise _translated(error, self.path) from error

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5.0)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
            self._connection = None


def _translated(error: sqlite3.Error, path: Path) -> BackendError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return BackendError(
            "The disk is full, so nothing could be saved.", "Free some space and try again."
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return BackendError(
            f"The database {path} is damaged.",
            "Move it away together with the files of the same name that end in -wal and -shm, "
            "then start again; labels from before are in it.",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BackendError(
            f"Another program holds the database {path}.", "Close that program and try again."
        )
    return BackendError(
        f"The database {path} could not be used: {error}.",
        "Check that the folder can be written to, then try again.",
    )
