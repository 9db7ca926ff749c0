"""What the stores need of a database, so that it can be SQLite or PostgreSQL.

Statements are written once, in what both understand: `?` and `:name` stand for parameters,
`RETURNING` and `ON CONFLICT` are used, a query in FROM has a name, and truth is 0 or 1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from serving.errors import ServeryError

T = TypeVar("T")

MAX_INTEGER = 2**63 - 1
"""The largest integer that a column holds; a query for a larger one would be an error."""

Parameters = Sequence[Any] | Mapping[str, Any]


class UnusableDatabase(ServeryError):
    """The database that was named cannot be used by this program."""


class StoredRow(Protocol):
    """One row, whose values are found by column or by position."""

    def __getitem__(self, key: int | str, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def keys(self) -> Iterable[str]: ...


class StoredRows(Protocol):
    """What a statement returns."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class StoreConnection(Protocol):
    """What a transaction works with, on a thread of the database's own."""

    def execute(self, statement: str, parameters: Parameters = ..., /) -> StoredRows: ...

    def executemany(self, statement: str, parameters: Iterable[Parameters], /) -> object: ...


class StoreDatabase(Protocol):
    """Runs work off the event loop; what a method wrote survives a power cut once it returns.

    Every failure is a ServeryError with two sentences; a later use tries again.
    """

    async def open(self) -> None:
        """Connect, creating or migrating the tables."""
        ...

    async def execute(self, statement: str, parameters: Parameters = ...) -> Sequence[StoredRow]:
        """Run one statement, all of it or nothing, and return its rows."""
        ...

    async def transaction(self, work: Callable[[StoreConnection], T]) -> T:
        """Run `work` in one transaction: all of it is kept, or nothing.

        Transactions that write come one after the other, whichever programs they are of: each
        sees all that those before it wrote, and the numbers of labels rise in that order.
        `work` may be run again if the connection breaks before it was kept.
        """
        ...

    async def snapshot(self, work: Callable[[StoreConnection], T]) -> T:
        """Run `work`, which only reads, on the database as it is at one moment."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then close; the database cannot be used afterwards."""
        ...


class DatabaseNotifications(Protocol):
    """Texts that the programs which use one database send each other."""

    async def notify(self, texts: Sequence[str]) -> None:
        """Send texts to every program that listens, this one included; raises ServeryError."""
        ...

    def listen(self) -> AsyncIterator[str | None]:
        """Yield each text, without end; connects again by itself.

        None comes after each connection: texts may have been missed before it.
        """
        ...
