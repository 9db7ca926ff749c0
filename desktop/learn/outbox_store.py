"""The table of labels that the backend has not acknowledged, in the desktop's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from serving.errors import ServeryError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    image TEXT NOT NULL,
    jpeg BLOB NOT NULL,
    class_name TEXT NOT NULL,
    created TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    withdrawn INTEGER NOT NULL DEFAULT 0,
    label_id INTEGER,
    refusal TEXT NOT NULL DEFAULT ''
)
"""


class LabelNotSaved(ServeryError):
    """The label could not be written to disk, so it was not taken."""


@dataclass(frozen=True)
class OutboxEntry:
    """One row that waits for the backend."""

    order: int
    key: str
    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    class_name: str
    label_id: int | None
    """The backend's id, where it has acknowledged the label and is to remove it again."""


class OutboxStore:
    """Reads and writes the table; every method belongs on the one thread that opened it.

    A method that writes has the change on the disk, power cut or not, when it
    returns. All raise LabelNotKept where the database cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._acknowledged: dict[str, int] = {}

    def open(self) -> None:
        with self._translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
            self._connection = connection
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def add(self, key: str, image: str, jpeg: bytes, class_name: str) -> None:
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO outbox (key, image, jpeg, class_name, created) VALUES (?, ?, ?, ?, ?)",
                (key, image, jpeg, class_name, _now()),
            )

    def pending(self) -> list[OutboxEntry]:
        """Return what waits for the backend, oldest first, without the images."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT position, key, image, class_name, label_id FROM outbox"
                " WHERE refusal = '' ORDER BY position LIMIT 100"
            )
            return [OutboxEntry(*row) for row in rows]

    def begin(self, key: str) -> bytes | None:
        """Note that the label is about to be sent; returns its image, None where undone."""
        with self._writing() as connection:
            connection.execute("UPDATE outbox SET sent = 1 WHERE key = ?", (key,))
            row = connection.execute("SELECT jpeg FROM outbox WHERE key = ?", (key,)).fetchone()
            return None if row is None else bytes(row[0])

    def acknowledge(self, key: str, label_id: int) -> bool:
        """The backend has the label: forget it, unless it was undone meanwhile.

        Returns whether it was, in which case the row stays, with the backend's id,
        until the backend has removed the label.
        """
        with self._writing() as connection:
            connection.execute("DELETE FROM outbox WHERE key = ? AND withdrawn = 0", (key,))
            kept = connection.execute(
                "UPDATE outbox SET label_id = ?, jpeg = x'' WHERE key = ?", (label_id, key)
            )
            if kept.rowcount == 0:
                self._acknowledged[key] = label_id
            return kept.rowcount > 0

    def withdraw(self, key: str, class_name: str) -> None:
        """Take a label back: forget it where the backend cannot have it, else have it removed.

        A label that was acknowledged can be taken back for as long as the store is open.
        """
        label_id = self._acknowledged.pop(key, None)
        with self._writing() as connection:
            if label_id is not None:
                connection.execute(
                    "INSERT OR IGNORE INTO outbox"
                    " (key, image, jpeg, class_name, created, sent, withdrawn, label_id)"
                    " VALUES (?, ?, x'', ?, ?, 1, 1, ?)",
                    (key, key, class_name, _now(), label_id),
                )
                return
            connection.execute(
                "DELETE FROM outbox WHERE key = ? AND (sent = 0 OR refusal != '')", (key,)
            )
            connection.execute("UPDATE outbox SET withdrawn = 1 WHERE key = ?", (key,))

    def forget(self, key: str) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM outbox WHERE key = ?", (key,))

    def refuse(self, key: str, reason: str) -> None:
        """Keep a label aside; an undone one that the backend refuses is simply gone."""
        with self._writing() as connection:
            connection.execute("DELETE FROM outbox WHERE key = ? AND withdrawn = 1", (key,))
            connection.execute("UPDATE outbox SET refusal = ? WHERE key = ?", (reason, key))

    def accept_refused(self) -> None:
        with self._writing() as connection:
            connection.execute("UPDATE outbox SET refusal = '' WHERE refusal != ''")

    def discard_refused(self) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM outbox WHERE refusal != ''")

    def counts(self) -> tuple[int, list[tuple[str, str, str]]]:
        """Return how many rows are pending, and key, class and reason of those refused."""
        with self._reading() as connection:
            (pending,) = connection.execute(
                "SELECT count(*) FROM outbox WHERE refusal = ''"
            ).fetchone()
            refused = connection.execute(
                "SELECT key, class_name, refusal FROM outbox WHERE refusal != '' ORDER BY position"
            ).fetchall()
            return int(pending), refused

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            raise LabelNotSaved("The outbox of labels is closed.", "Start Servery again.")
        with self._translated():
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LabelNotSaved(
                f"The label could not be written to {self._path}: {error}.",
                "Make sure that the disk has space and the folder can be written, then"
                " label the photo again.",
            ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
