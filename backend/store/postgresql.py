"""PostgreSQL as the database of the stores: a few connections, each used by one thread at a time.

The only module that knows psycopg. A connection that broke is replaced at the next use, so that a
server that was away is used again as soon as it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

from backend.contract import DATABASE_VARIABLE
from backend.store.database import Parameters, UnusableDatabase
from backend.store.postgresql_schema import CURRENT_SCHEMA, migrate
from serving.errors import StorageUnavailable

T = TypeVar("T")

CONNECTIONS = 4
"""At most, besides the one that listens: labels are written one after the other anyway."""
_CHANNEL = "servery"
_WRITERS = 5_282_745_300_189
"""The advisory lock of whoever writes. It makes transactions that write follow each other: the
number of a label is given before its transaction ends, and a training run remembers the highest
one that it saw, so a smaller one that came later would never count as new."""
_BEGIN_WRITING = f"BEGIN; SELECT pg_advisory_xact_lock({_WRITERS})".encode()
_BEGIN_READING = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
SILENCE_SECONDS = 40.0
"""How long the server may say nothing to a statement, which it ends itself after 30 s. One whose
process is frozen never answers, while its system keeps the connection open."""
_POLL_SECONDS = 5.0
"""Between two looks at how long the server has said nothing."""
_PARAMETERS = {
    "application_name": "servery",
    "connect_timeout": "5",
    # So that a server whose machine is gone is noticed.
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_SETTINGS = (
    b"SET client_encoding = 'UTF8';"
    b"SET statement_timeout = '30s';"
    # As long as SQLite waits for another program that writes.
    b"SET lock_timeout = '10s';"
    # So that a backend whose machine is gone does not keep the lock of those who write.
    b"SET idle_in_transaction_session_timeout = '30s';"
    # The newest label of each photo is found by joining labels with groups of them. How many groups
    # there are, the planner cannot know: it expects one, and would go through all of them for each.
    b"SET enable_nestloop = off; SET jit = off;"
    b"SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3"
)
_MIN_RECONNECT_SECONDS, _MAX_RECONNECT_SECONDS = 0.25, 5.0
_PLACEHOLDERS = re.compile(r"'[^']*'|::|:([a-z_]+)|\?|%")
_RETRIED = "Servery tries it again by itself."


class PostgreSqlDatabase:
    """A `StoreDatabase` and its `DatabaseNotifications` at a PostgreSQL server."""

    def __init__(self, url: str) -> None:
        """`url` is `postgresql://user:password@host:port/name` as libpq reads it.

        Raises UnusableDatabase if it is not.
        """
        try:
            named = conninfo_to_dict(url)
            self._target = make_conninfo(url, **{**_PARAMETERS, **_texts(named)})
        except psycopg.ProgrammingError as error:
            raise UnusableDatabase(
                "The address of the database cannot be understood.",
                f"Give {DATABASE_VARIABLE} as postgresql://USER:PASSWORD@HOST:PORT/NAME.",
            ) from error
        self.name = _shown(named)
        """What it is called in sentences; without the password."""
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="database")
        self._idle: list[_Connection] = []
        self._in_use: set[_Connection] = set()
        self._closed = False

    async def open(self) -> None:
        await self._run(lambda: self._work(_BEGIN_READING, lambda connection: None))

    async def execute(self, statement: str, parameters: Parameters = ()) -> list[PostgreSqlRow]:
        begin = b"" if statement.lstrip()[:6].upper() == "SELECT" else _BEGIN_WRITING

        def run(connection: PostgreSqlConnection) -> list[PostgreSqlRow]:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

        return await self._run(lambda: self._work(begin, run))

    async def transaction(self, work: Callable[[PostgreSqlConnection], T]) -> T:
        return await self._run(lambda: self._work(_BEGIN_WRITING, work))

    async def snapshot(self, work: Callable[[PostgreSqlConnection], T]) -> T:
        return await self._run(lambda: self._work(_BEGIN_READING, work))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._idle:
            connection.close()

    async def notify(self, texts: Sequence[str]) -> None:
        """As `DatabaseNotifications.notify`; each text has at most 7,999 bytes."""

        def send(connection: PostgreSqlConnection) -> None:
            for text in texts:
                connection.execute("SELECT pg_notify(?, ?)", (_CHANNEL, text))

        await self._run(lambda: self._work(b"BEGIN", send))

    async def listen(self) -> AsyncIterator[str | None]:
        """As `DatabaseNotifications.listen`."""
        delay = _MIN_RECONNECT_SECONDS
        while True:
            with contextlib.suppress(psycopg.Error, OSError):
                connection = await psycopg.AsyncConnection.connect(self._target, autocommit=True)
                async with connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(_CHANNEL)))
                    delay = _MIN_RECONNECT_SECONDS
                    yield None
                    async for notification in connection.notifies():
                        yield notification.payload
            await asyncio.sleep(delay)
            delay = min(2 * delay, _MAX_RECONNECT_SECONDS)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StorageUnavailable(f"{self.name} is closed.", "Start Servery again.")
        result = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            while not result.done():
                await asyncio.wait((result,), timeout=_POLL_SECONDS)
                for connection in list(self._in_use):
                    connection.cut_if_silent()
            return result.result()
        except psycopg.Error as error:
            raise StorageUnavailable(*self._explain(error)) from error

    def _work(self, begin: bytes, work: Callable[[PostgreSqlConnection], T]) -> T:
        """Run `work` between `begin` and COMMIT; without `begin`, it is one statement.

        If a connection that was idle turns out to be broken before COMMIT was sent, nothing of
        it was kept, and it is done again on a new one.
        """
        while True:
            connection, was_idle = self._take()
            committing = False
            try:
                if begin:
                    connection.execute(begin)
                result = work(connection.adapter)
                if begin:
                    committing = True
                    connection.execute(b"COMMIT")
            except BaseException as error:
                self._put_back(connection)
                if (
                    isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
                    and connection.raw.closed
                    and was_idle
                    and not committing
                ):
                    continue
                raise
            self._put_back(connection)
            return result

    def _take(self) -> tuple[_Connection, bool]:
        """Return a connection, and whether it was used before."""
        try:
            connection, was_idle = self._idle.pop(), True  # pop and append are atomic
        except IndexError:
            connection, was_idle = self._connect(), False
        self._in_use.add(connection)
        return connection, was_idle

    def _put_back(self, connection: _Connection) -> None:
        """Keep a connection for the next use, outside of any transaction."""
        self._in_use.discard(connection)
        if not connection.raw.closed:
            with contextlib.suppress(psycopg.Error):
                if connection.raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    connection.execute(b"ROLLBACK")
        if connection.raw.closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _connect(self) -> _Connection:
        raw = psycopg.connect(
            self._target,
            autocommit=True,
            cursor_factory=psycopg.ClientCursor,
            prepare_threshold=None,
        )
        connection = _Connection(raw)
        self._in_use.add(connection)
        try:
            connection.execute(_SETTINGS)
            if not _is_current(raw):
                raw.execute(_BEGIN_WRITING)
                migrate(raw)
                raw.execute(b"COMMIT")
        except BaseException:
            self._in_use.discard(connection)
            connection.close()
            raise
        return connection

    def _explain(self, error: psycopg.Error) -> tuple[str, str]:
        match error:
            case psycopg.errors.LockNotAvailable() | psycopg.errors.QueryCanceled():
                return f"{self.name} is overloaded: {_said(error)}.", "Try again later."
            case psycopg.errors.DiskFull():
                return (
                    f"The disk of {self.name} is full.",
                    "Make room on the disk of the PostgreSQL server, then try again.",
                )
            case psycopg.errors.InsufficientPrivilege():
                return (
                    f"{self.name} does not let Servery do this: {_said(error)}.",
                    "Give the user of the database the right to create and change its tables.",
                )
            case psycopg.OperationalError() | psycopg.InterfaceError():
                return (
                    f"{self.name} cannot be used: {_said(error)}.",
                    f"Check that PostgreSQL runs there, and that {DATABASE_VARIABLE} has the right"
                    f" host, name, user and password. {_RETRIED}",
                )
        return f"{self.name} could not do it: {_said(error)}.", "See the log of the backend."


class PostgreSqlRow:
    """A row whose values are found by column or by position."""

    __slots__ = ("_columns", "_values")

    def __init__(self, columns: Mapping[str, int], values: Sequence[Any]) -> None:
        self._columns = columns
        self._values = values

    def __getitem__(self, key: int | str, /) -> Any:
        return self._values[self._columns[key] if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> list[str]:
        return list(self._columns)


class PostgreSqlConnection:
    """A `StoreConnection` that carries out the statements of the stores."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def execute(
        self, statement: str, parameters: Parameters = (), /
    ) -> psycopg.Cursor[PostgreSqlRow]:
        return self._connection.execute(_translated(statement), _plain(parameters), _rows)

    def executemany(self, statement: str, parameters: Iterable[Parameters], /) -> None:
        for each in parameters:
            self.execute(statement, each)


class _Connection:
    """A connection of psycopg, and what the stores see of it."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        self.adapter = PostgreSqlConnection(self)
        self._sent_at: float | None = None
        """When the statement was sent that the server has not answered, monotonic."""

    def execute(
        self,
        statement: bytes,
        parameters: Parameters = (),
        row_factory: Callable[[psycopg.Cursor[Any]], Any] = tuple_row,
    ) -> psycopg.Cursor[Any]:
        self._sent_at = time.monotonic()
        try:
            cursor = self.raw.cursor(row_factory=row_factory)
            return cursor.execute(statement, parameters)
        finally:
            self._sent_at = None

    def cut_if_silent(self) -> None:
        """End the connection if its server has said nothing for too long; from any thread.

        Who waits for the answer gets an OperationalError.
        """
        sent_at = self._sent_at
        if sent_at is not None and time.monotonic() - sent_at > SILENCE_SECONDS:
            # A copy of the descriptor, since the other thread owns the original.
            with (
                contextlib.suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(self.raw.fileno())) as copy,
            ):
                copy.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self.raw.close()


def _rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], PostgreSqlRow]:
    columns = {column.name: place for place, column in enumerate(cursor.description or ())}
    return lambda values: PostgreSqlRow(columns, values)


@lru_cache(maxsize=512)
def _translated(statement: str) -> bytes:
    """Return a statement with psycopg's placeholders."""

    def replace(match: re.Match[str]) -> str:
        if name := match[1]:
            return f"%({name})s"
        return "%s" if match[0] == "?" else match[0].replace("%", "%%")

    return _PLACEHOLDERS.sub(replace, statement).encode()


def _plain(parameters: Parameters) -> Parameters:
    """Return parameters of types that mean to PostgreSQL what they mean to SQLite."""
    if isinstance(parameters, Mapping):
        return {name: _plain_value(value) for name, value in parameters.items()}
    return [_plain_value(value) for value in parameters]


def _plain_value(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return value.value if isinstance(value, Enum) else value


def _is_current(raw: psycopg.Connection[Any]) -> bool:
    """Whether the tables are those of this Servery, found without waiting for others."""
    (table,) = raw.execute(b"SELECT to_regclass('schema_version')").fetchone() or (None,)
    if table is None:
        return False
    row = raw.execute(b"SELECT number FROM schema_version").fetchone()
    return row is not None and row[0] == CURRENT_SCHEMA


def _texts(named: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in named.items() if value is not None}


def _shown(named: Mapping[str, Any]) -> str:
    host = named.get("host") or named.get("hostaddr") or "this machine"
    port = f":{named['port']}" if named.get("port") else ""
    return f"The PostgreSQL database {named.get('dbname') or ''} at {host}{port}".replace("  ", " ")


def _said(error: psycopg.Error) -> str:
    """Return what the server or libpq said, as the rest of a sentence."""
    said: str | None = error.diag.message_primary
    if said is None:
        lines = [line.strip(" \t-") for line in str(error).splitlines() if line.strip()]
        said = lines[-1] if lines else type(error).__name__
    return said.rstrip(".")[:300]
