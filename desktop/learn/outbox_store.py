"""The table of labels that the backend has not acknowledged, in the desktop's database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.contract import LabelKind
from desktop.translation import tr
from serving.clock import utc_now
from serving.database import Connection, Database, Row
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
_LATER_COLUMNS = {
    "model": "TEXT NOT NULL DEFAULT ''",
    "images": "TEXT NOT NULL DEFAULT ''",
    "kind": "TEXT NOT NULL DEFAULT 'class'",
    "settles": "INTEGER NOT NULL DEFAULT 0",
    "batch": "TEXT NOT NULL DEFAULT ''",
    "author": "TEXT NOT NULL DEFAULT ''",
}
"""Columns that earlier versions did not have, with what their rows mean."""


class LabelNotSaved(ServeryError):
    """The label could not be written to disk, so it was not accepted."""


@dataclass(frozen=True)
class RefusedLabel:
    """A label that the backend does not accept, set aside with the reason."""

    key: str
    class_name: str
    reason: str
    """What happened and what to do, as sentences."""


@dataclass(frozen=True)
class LabelStatement:
    """What a person says of a photo, or of many."""

    class_name: str
    """Empty unless `kind` is CLASS."""
    model: str = ""
    """The model that is to learn it; empty for the one that is current when it is sent."""
    kind: LabelKind = LabelKind.CLASS
    settles: bool = False
    """It outweighs what others have said before."""
    batch: str = ""
    """Labels with the same one were given at once; empty for a label of its own."""
    by: str = ""
    """Who says it; empty for the user of the program that sends it."""

    @property
    def text(self) -> str:
        """What a sentence calls it."""
        return self.class_name or {
            LabelKind.NONE: tr("none of these"),
            LabelKind.SKIP: tr("not now"),
        }.get(self.kind, "")


@dataclass(frozen=True)
class OutboxEntry:
    """One row that waits for the backend."""

    order: int
    key: str
    images: tuple[str, ...]
    """SHA-256 of each normalized JPEG, in hex."""
    known: bool
    """The backend has the photos; otherwise there is one, and it is sent along."""
    statement: LabelStatement
    said_at: str
    """When, as `utc_now` writes it."""
    label_id: int | None
    """The backend's id, if it has acknowledged the label and is to remove it again: that of an
    action, if there are several photos."""


class OutboxStore:
    """Reads and writes the table.

    A method that writes has the change on the disk, power cut or not, when it
    returns. All raise LabelNotSaved if the database cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.database = Database(path, prepare_outbox, _not_saved)
        self._acknowledged: dict[str, int] = {}

    async def add(
        self, key: str, images: Sequence[str], jpeg: bytes | None, statement: LabelStatement
    ) -> None:
        """Keep what is said of photos; `jpeg` is the one, or None if the backend has them."""
        await self.database.execute(
            "INSERT INTO outbox (key, image, images, jpeg, class_name, model, kind, settles,"
            " batch, author, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                images[0],
                "" if jpeg is not None else json.dumps(list(images)),
                jpeg or b"",
                statement.class_name,
                statement.model,
                statement.kind.value,
                statement.settles,
                statement.batch,
                statement.by,
                utc_now(),
            ),
        )

    async def pending(self) -> list[OutboxEntry]:
        """Return what waits for the backend, oldest first, without the images."""
        rows = await self.database.execute(
            "SELECT position, key, image, images, class_name, model, kind, settles, batch, author,"
            " created, label_id FROM outbox WHERE refusal = '' ORDER BY position LIMIT 100"
        )
        return [_entry(row) for row in rows]

    async def begin(self, key: str) -> bytes | None:
        """Note that the label is about to be sent; returns its image, None if undone.

        The image is empty if the backend has it.
        """
        rows = await self.database.execute(
            "UPDATE outbox SET sent = 1 WHERE key = ? RETURNING jpeg", (key,)
        )
        return bytes(rows[0]["jpeg"]) if rows else None

    async def acknowledge(self, key: str, label_id: int) -> bool:
        """The backend has the label: forget it, unless it was undone meanwhile.

        Returns whether it was, in which case the row stays, with the backend's id,
        until the backend has removed the label.
        """

        def work(connection: Connection) -> bool:
            connection.execute("DELETE FROM outbox WHERE key = ? AND withdrawn = 0", (key,))
            updated = connection.execute(
                "UPDATE outbox SET label_id = ?, jpeg = x'' WHERE key = ?", (label_id, key)
            )
            if updated.rowcount == 0:
                self._acknowledged[key] = label_id
            return updated.rowcount > 0

        return await self.database.transaction(work)

    async def withdraw(self, key: str, images: Sequence[str], statement: LabelStatement) -> None:
        """Take a label back: forget it if the backend cannot have it, else have it removed.

        A label that was acknowledged can be taken back for as long as the store is open.
        """

        def work(connection: Connection) -> None:
            # Looked up here, on the database's thread: `acknowledge` notes it there, and
            # which of the two comes first decides where the label has to be removed.
            label_id = self._acknowledged.pop(key, None)
            if label_id is not None:
                connection.execute(
                    "INSERT OR IGNORE INTO outbox (key, image, images, jpeg, class_name, kind,"
                    " created, sent, withdrawn, label_id) VALUES (?, ?, ?, x'', ?, ?, ?, 1, 1, ?)",
                    (
                        key,
                        images[0],
                        json.dumps(list(images)),
                        statement.class_name,
                        statement.kind.value,
                        utc_now(),
                        label_id,
                    ),
                )
                return
            connection.execute(
                "DELETE FROM outbox WHERE key = ? AND (sent = 0 OR refusal != '')", (key,)
            )
            connection.execute("UPDATE outbox SET withdrawn = 1 WHERE key = ?", (key,))

        await self.database.transaction(work)

    async def forget(self, key: str) -> None:
        await self.database.execute("DELETE FROM outbox WHERE key = ?", (key,))

    async def refuse(self, key: str, reason: str) -> None:
        """Set a label aside with the reason; one that was undone meanwhile is deleted."""

        def work(connection: Connection) -> None:
            connection.execute("DELETE FROM outbox WHERE key = ? AND withdrawn = 1", (key,))
            connection.execute("UPDATE outbox SET refusal = ? WHERE key = ?", (reason, key))

        await self.database.transaction(work)

    async def accept_refused(self) -> None:
        await self.database.execute("UPDATE outbox SET refusal = '' WHERE refusal != ''")

    async def discard_refused(self) -> None:
        await self.database.execute("DELETE FROM outbox WHERE refusal != ''")

    async def pending_count(self) -> int:
        (row,) = await self.database.execute("SELECT count(*) FROM outbox WHERE refusal = ''")
        return int(row[0])

    async def refused(self) -> tuple[RefusedLabel, ...]:
        rows = await self.database.execute(
            "SELECT key, class_name, kind, refusal FROM outbox WHERE refusal != ''"
            " ORDER BY position"
        )
        return tuple(
            RefusedLabel(
                row["key"],
                LabelStatement(row["class_name"], kind=LabelKind(row["kind"])).text,
                row["refusal"],
            )
            for row in rows
        )


def _entry(row: Row) -> OutboxEntry:
    known = bool(row["images"])
    return OutboxEntry(
        row["position"],
        row["key"],
        tuple(json.loads(row["images"])) if known else (row["image"],),
        known,
        LabelStatement(
            row["class_name"],
            row["model"],
            LabelKind(row["kind"]),
            bool(row["settles"]),
            row["batch"],
            row["author"],
        ),
        row["created"],
        row["label_id"],
    )


def prepare_outbox(connection: Connection) -> None:
    connection.execute(_SCHEMA)
    columns = {row["name"] for row in connection.execute("PRAGMA table_info(outbox)")}
    for name, meaning in _LATER_COLUMNS.items():
        if name not in columns:
            connection.execute(f"ALTER TABLE outbox ADD COLUMN {name} {meaning}")


def _not_saved(what: str, advice: str) -> LabelNotSaved:
    return LabelNotSaved(
        tr("The label could not be written to disk. {reason}", reason=what), advice
    )
