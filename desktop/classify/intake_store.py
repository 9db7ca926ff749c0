"""What is to come into the history, on disk: requests until they are there, watched folders."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from desktop.classify.photo_arrivals import SeenSoFar
from serving.database import Connection, Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY,
    asked REAL NOT NULL,
    paths BLOB NOT NULL
)
"""
_WATCHED_SCHEMA = """
CREATE TABLE IF NOT EXISTS watched_folders (
    path BLOB PRIMARY KEY,
    newest INTEGER,
    folders TEXT NOT NULL DEFAULT '[]'
)
"""
_SEPARATOR = b"\0"
"""Between paths: the one byte that none of them has."""


@dataclass(frozen=True)
class UnfinishedRequest:
    """Files and folders that were to be classified when the window ended."""

    number: int
    asked: float
    """When, in seconds since the epoch."""
    paths: tuple[Path, ...]


class IntakeStore:
    """Keeps each request from before its work starts until the history has its photos, and which
    folders are watched.

    All methods raise what the database makes of its errors, HistoryError.
    """

    def __init__(self, database: Database) -> None:
        """`database` has the tables that `prepare_intake` makes; it is the caller's to close."""
        self._database = database
        self._own: set[int] = set()
        """The numbers of requests that were made here."""

    async def add(self, paths: Sequence[Path], asked: float) -> int:
        """Keep a request as one row, however many paths it has; returns its number."""
        content = _SEPARATOR.join(map(os.fsencode, paths))

        def insert(connection: Connection) -> int:
            cursor = connection.execute(
                "INSERT INTO requests (asked, paths) VALUES (?, ?)", (asked, content)
            )
            number = cursor.lastrowid or 0
            self._own.add(number)  # before anybody can read the row
            return number

        return await self._database.transaction(insert)

    async def remove(self, number: int) -> None:
        """Forget a request: the history has its photos, or a person ended it."""
        await self._database.execute("DELETE FROM requests WHERE number = ?", (number,))

    async def unfinished(self) -> list[UnfinishedRequest]:
        """Return the requests that a window before this one left, oldest first."""
        rows = await self._database.execute(
            "SELECT number, asked, paths FROM requests ORDER BY number"
        )
        return [
            UnfinishedRequest(
                row["number"],
                row["asked"],
                tuple(Path(os.fsdecode(path)) for path in bytes(row["paths"]).split(_SEPARATOR)),
            )
            for row in rows
            if row["number"] not in self._own
        ]

    async def watch(self, folder: Path) -> None:
        """Keep that a folder is watched."""
        await self._database.execute(
            "INSERT OR IGNORE INTO watched_folders (path) VALUES (?)", (os.fsencode(folder),)
        )

    async def unwatch(self, folder: Path) -> None:
        await self._database.execute(
            "DELETE FROM watched_folders WHERE path = ?", (os.fsencode(folder),)
        )

    async def set_seen(self, folder: Path, seen: SeenSoFar) -> None:
        """Keep how far a folder was seen, if it is watched still."""
        await self._database.execute(
            "UPDATE watched_folders SET newest = ?, folders = ? WHERE path = ?",
            (seen.newest, json.dumps(sorted(seen.folders)), os.fsencode(folder)),
        )

    async def watched(self) -> list[tuple[Path, SeenSoFar | None]]:
        """Return the watched folders as they were added, and how far each was seen; None for one
        that was not."""
        rows = await self._database.execute(
            "SELECT path, newest, folders FROM watched_folders ORDER BY rowid"
        )
        return [
            (
                Path(os.fsdecode(row["path"])),
                None
                if row["newest"] is None
                else SeenSoFar(row["newest"], frozenset(json.loads(row["folders"]))),
            )
            for row in rows
        ]


def prepare_intake(connection: Connection) -> None:
    """Make the tables of a database that lacks them."""
    connection.execute(_SCHEMA)
    connection.execute(_WATCHED_SCHEMA)
