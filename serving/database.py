"""SQLite for all of Servery: one connection a database, used by one thread only."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sqlite3
import stat
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any, TypeVar

from serving.database_lock import is_being_repaired, shared_lock
from serving.errors import ServeryError, storage_error
from serving.state_files import REPAIR_ADVICE, DamagedFile, UnreadableFile, open_file

__all__ = ["COMPANIONS", "Connection", "Database", "Row", "check_files"]

T = TypeVar("T")

COMPANIONS = ("-wal", "-shm")
"""The ends of the names of SQLite's files beside a database: its log, and the index of that."""
_LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
"""How a log with something in it begins."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_OF_THE_DISK = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
)
_POLL_SECONDS = 3.0
"""How often a program that uses a database checks whether it is to be repaired."""
_BUSY_SECONDS = 10.0
"""How long a statement waits for another connection to the same file."""


class Database:
    """Runs work on its one connection, in turn, off the event loop.

    What a method wrote survives the end of the program once the method returns, and a
    power cut too if the database is `durable`. Every error of SQLite or of the disk
    comes out as what `failure` makes of two sentences: what happened, and what to do.

    A database that turns out to be damaged is not used any more until another file is in
    its place, which is noticed by itself; nothing is written to it meanwhile. After any
    other failure of the disk the next use opens it again. While a program repairs it, it is
    closed here, also if no damage was noticed; a use waits for the end of that for a while.
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
        self._lock: int | None = None
        """The descriptor of the lock file while there is a connection."""
        self._damage: tuple[int, str] | None = None
        """The inode of the file that turned out to be damaged, and what is wrong with it."""
        self._closed = False
        self._look: asyncio.TimerHandle | None = None
        """The next look whether the file is to be repaired."""

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

    async def snapshot(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which only reads, on the database as it is at one moment."""

        def inside() -> T:
            with self._open() as connection:
                connection.execute("BEGIN")
                return work(connection)

        return await self._run(inside)

    async def close(self) -> None:
        """Finish what was accepted, then close; the database cannot be used afterwards."""
        if not self._closed:
            await self._run(self._close)
        if self._look is not None:
            self._look.cancel()

    async def _run(self, work: Callable[[], T]) -> T:
        def unless_closed() -> T:
            # Asked on the thread: what was queued behind `close` must not open the file again.
            if self._closed:
                raise self._failure(f"The database {self.path} is closed.", "Start Servery again.")
            try:
                return work()
            except sqlite3.Error as error:
                self._leave_if_unusable(error)
                raise

        loop = asyncio.get_running_loop()
        if self._look is None:
            self._look = loop.call_later(_POLL_SECONDS, self._leave_to_repair, loop)
        try:
            return await loop.run_in_executor(self._thread, unless_closed)
        except UnreadableFile as error:
            raise self._failure(error.what, error.advice) from error
        except (sqlite3.Error, OSError) as error:
            raise self._failure(*_explain(error, self.path)) from error

    def _leave_to_repair(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go of the file if a program wants to repair it, and look again later."""
        self._look = None
        if self._closed or self._connection is None:
            return  # the next use looks again
        if is_being_repaired(self.path):
            loop.run_in_executor(self._thread, self._leave)
        else:
            self._look = loop.call_later(_POLL_SECONDS, self._leave_to_repair, loop)

    def _open(self) -> Connection:
        if self._connection is not None:
            if not is_being_repaired(self.path):
                return self._connection
            self._leave()
        if self._damage is not None:
            if _inode(self.path) == self._damage[0]:
                raise DamagedFile(self.path, self._damage[1])
            self._damage = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = shared_lock(self.path)
        connection: Connection | None = None
        try:
            check_files(self.path)
            if not self.path.exists():  # SQLite's other files get the rights of this one
                self.path.touch(mode=0o600)
            connection = sqlite3.connect(self.path, isolation_level=None, timeout=_BUSY_SECONDS)
            connection.row_factory = Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if fault != "ok":
                raise DamagedFile(self.path, str(fault)[:200])
            self._prepare(connection)
        except BaseException as error:
            self._connection = connection
            self._leave()
            if isinstance(error, DamagedFile):
                self._damage = (_inode(self.path), error.fault)
            raise
        self._connection = connection
        return connection

    def _leave_if_unusable(self, error: sqlite3.Error) -> None:
        """Close the connection after an error that it may not recover from."""
        code = _code(error)
        if code in _DAMAGED:
            self._damage = (_inode(self.path), str(error))
        if code in (*_DAMAGED, *_OF_THE_DISK) and code != sqlite3.SQLITE_FULL:
            self._leave()

    def _leave(self) -> None:
        """Close the connection and give up the lock; the next use opens it again."""
        connection, self._connection = self._connection, None
        lock, self._lock = self._lock, None
        try:
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
        finally:
            if lock is not None:
                os.close(lock)

    def _close(self) -> None:
        self._closed = True
        self._leave()


def check_files(path: Path) -> None:
    """Raise DamagedFile if something else than a file is in the place of a database's files.

    SQLite would wait for a pipe, and begin a new log where the old one cannot be read.
    """
    for file in (path, *(path.with_name(path.name + end) for end in COMPANIONS)):
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            if file.is_symlink():
                raise DamagedFile(path, f"{file.name} is a link to nothing") from None
            continue
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise DamagedFile(path, f"{file.name} leads back to itself") from None
            raise
        if not stat.S_ISREG(mode):
            raise DamagedFile(path, f"{file.name} is not a file")
        if not os.access(file, os.R_OK):
            raise DamagedFile(path, f"you may not read {file.name}")
    log = path.with_name(f"{path.name}-wal")
    # Read as a file of its own: closing the database's would give up SQLite's locks on it.
    with contextlib.suppress(FileNotFoundError), open_file(log) as file_of_log:
        begin = file_of_log.read(4)
        if begin and begin not in (*_LOG_MAGIC, bytes(4)):
            raise DamagedFile(path, f"{log.name} is not a log of SQLite")


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except OSError:
        return 0


def _code(error: sqlite3.Error) -> int:
    """Return the primary error code of SQLite; 0 for an error of Python's own."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _explain(error: sqlite3.Error | OSError, path: Path) -> tuple[str, str]:
    code = 0 if isinstance(error, OSError) else _code(error)
    if code in _DAMAGED:
        return f"The database {path} is damaged: {error}.", REPAIR_ADVICE
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or isinstance(error, TimeoutError):
        return f"Another program holds the database {path}.", "Close that program and try again."
    if code in _OF_THE_DISK or isinstance(error, OSError):
        refusal = error if isinstance(error, OSError) else _refusal(code, path)
        failure = storage_error(
            refusal, path, f"The database {path} could not be used", ServeryError
        )
        return failure.what, failure.advice
    return (
        f"The database {path} could not be used: {error}.",
        "Check that the folder can be written to, then try again.",
    )


def _refusal(code: int, path: Path) -> OSError:
    """Return what the disk refused, of which SQLite says little."""
    number = errno.ENOSPC if code == sqlite3.SQLITE_FULL else errno.EIO
    with contextlib.suppress(OSError):
        disk = os.statvfs(path.parent)
        if disk.f_flag & os.ST_RDONLY:
            number = errno.EROFS
        elif not disk.f_bavail:
            number = errno.ENOSPC
        elif not os.access(path.parent, os.W_OK) or (
            path.exists() and not os.access(path, os.R_OK | os.W_OK)
        ):
            number = errno.EACCES
    return OSError(number, os.strerror(number))
