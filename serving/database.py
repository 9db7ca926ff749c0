"""SQLite for all of Servery: one connection a database, used by one thread only."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any, TypeVar

from serving.errors import ServeryError

__all__ = ["Connection", "Database", "Row"]

T = TypeVar("T")

_BUSY_SECONDS = 10.0
"""How long a statement waits for another connection to the same file."""


class Database:
    """Runs work on its one connection, in turn, off the event loop.

    What a method wrote survives the end of the program once the method returns, and a
    power cut too if the database is `durable`. Every error of SQLite or of the disk
    comes out as what `failure` makes of two sentences: what happened, and what to do.
    """

    def __init__(
        self,
        path: Path,
        prepare: Callable[[Connection], None],
        failure: Callable[[str, str], ServeryError],
        *,
        durable: bool = True,
    ) -> None:
        """`prepare` makes or migrates the tables of a connection that was just opened."""
        self.path = path
        self._prepare = prepare
        self._failure = failure
        self._durable = durable
        # Its thread ends with this object; shut down earlier it would raise RuntimeError
        # for work that comes after `close`.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._connection: Connection | None = None
        self._closed = False

    async def open(self) -> None:
        """Open the file, creating or migrating it."""
        await self._run(self._open)

    async def execute(
        self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[Row]:
        """Run one statement, all of it or nothing, and return its rows."""
        return await self._run(lambda: self._open().execute(statement, parameters).fetchall())

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction: all of it is kept, or nothing.

        Cancelling the caller does not stop `work` once it has begun.
        """

        def inside() -> T:
            # The context manager commits and rolls back, but begins nothing by itself.
            with self._open() as connection:
                connection.execute("BEGIN IMMEDIATE")
                return work(connection)

        return await self._run(inside)

    async def close(self) -> None:
        """Finish what was accepted, then close; the database cannot be used afterwards."""
        if not self._closed:
            await self._run(self._close)

    async def _run(self, work: Callable[[], T]) -> T:
        def unless_closed() -> T:
            # Asked on the thread: what was queued behind `close` must not open the file again.
            if self._closed:
                raise self._failure(f"The database {self.path} is closed.", "Start Servery again.")
            return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, unless_closed)
        except (sqlite3.Error, OSError) as error:
            raise self._failure(*_explain(error, self.path)) from error

    def _open(self) -> Connection:
        if self._connection is not None:
            return self._connection
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():  # SQLite's other files get the rights of this one
            self.path.touch(mode=0o600)
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            connection.row_factory = Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _close(self) -> None:
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _explain(error: sqlite3.Error | OSError, path: Path) -> tuple[str, str]:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return "The disk is full, so nothing could be saved.", "Free some space and try again."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"The database {path} is damaged.",
            "Move it away together with the files of the same name that end in -wal and -shm, "
            "then start again; what was saved before is in them.",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"Another program holds the database {path}.", "Close that program and try again."
    return (
        f"The database {path} could not be used: {error}.",
        "Check that the folder can be written to, then try again.",
    )
