"""The table of what people did to classes: renamed, merged into another, deleted.

A change begins before the version is derived that has it, and is applied to the labels in the
same transaction that says so: that is the moment from which it counts. What comes after, to let
the version go live, is finished by the next backend if this one is killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from backend.contract import ClassChange, ClassChangeKind
from backend.store.database import MAX_INTEGER, StoreConnection, StoreDatabase, StoredRow
from backend.store.images import ImageFolder
from backend.store.label_queries import CURRENT, DISPUTED
from serving.clock import utc_now
from serving.errors import BackendError
from serving.text.visible import shortened


class UnknownClassChange(BackendError):
    """No change of a class has this id."""


class ChangeState(StrEnum):
    """How far a change has got."""

    BEGUN = "begun"
    """The labels are as before; a version may have been derived."""
    APPLIED = "applied"
    """The labels have it; the derived version may not be live yet."""
    DONE = "done"
    RETURNING = "returning"
    """It is undone in the labels; the version before may not be live again yet."""
    UNDONE = "undone"


@dataclass(frozen=True)
class StoredChange:
    """A row of the table."""

    change: ClassChange
    state: ChangeState
    base_version: int | None
    """The version that was live before, if the change derived another from it."""


class ClassStore:
    """Changes of classes, and what they do to labels."""

    def __init__(self, database: StoreDatabase, images: ImageFolder) -> None:
        self._database = database
        self._images = images

    async def names(self, model: str) -> dict[str, int]:
        """Return the classes that labels name, with the number of photos; undone labels too."""
        rows = await self._database.execute(
            "SELECT class_name, COUNT(DISTINCT image) AS photos FROM labels"
            " WHERE model = ? AND kind = 'class' AND class_deleted IS NULL GROUP BY class_name",
            (model,),
        )
        return {row["class_name"]: row["photos"] for row in rows}

    async def counts(self, model: str) -> dict[str, int]:
        """Return the classes of the labels that count now, with the number of their photos.

        Of a photo on which people disagree no label counts, but its classes are named.
        """
        rows = await self._database.execute(
            "SELECT said.class_name, COUNT(counted.id) AS photos FROM labels AS said"
            f" LEFT JOIN ({CURRENT}) AS counted ON counted.id = said.id"
            " WHERE said.model = :model AND said.kind = 'class' AND said.undone IS NULL"
            " AND said.class_deleted IS NULL"
            f" AND (counted.id IS NOT NULL OR said.image IN ({DISPUTED}))"
            " GROUP BY said.class_name",
            {"model": model},
        )
        return {row["class_name"]: row["photos"] for row in rows}

    async def begin(
        self,
        model: str,
        kind: ClassChangeKind,
        name: str,
        new_name: str,
        by: str,
        base_version: int | None,
    ) -> int:
        """Write down that a change begins, and return its id."""
        (row,) = await self._database.execute(
            "INSERT INTO class_changes"
            " (model, created, author, kind, name, new_name, base_version, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (model, utc_now(), by, kind, name, new_name, base_version, ChangeState.BEGUN),
        )
        return int(row["id"])

    async def derived(self, change: int, version: int) -> None:
        """Write down which version has the change."""
        await self._database.execute(
            "UPDATE class_changes SET version = ? WHERE id = ?", (version, change)
        )

    async def cancel(self, change: int) -> None:
        """Forget a change that was not applied."""
        await self._database.execute(
            "DELETE FROM class_changes WHERE id = ? AND state = ?", (change, ChangeState.BEGUN)
        )

    async def apply(self, change: int) -> None:
        """Change the labels, all of them or none, also those that were undone."""

        def work(connection: StoreConnection) -> None:
            row = _row(connection, change)
            named = {"model": row["model"], "name": row["name"], "new": row["new_name"]}
            condition = "model = :model AND class_name = :name AND class_deleted IS NULL"
            if row["kind"] == ClassChangeKind.DELETED:
                photos = connection.execute(
                    f"SELECT DISTINCT image FROM labels WHERE {condition} AND undone IS NULL", named
                ).fetchall()
                keep_in_pool(connection, self._images, row["model"], [each[0] for each in photos])
                connection.execute(
                    f"UPDATE labels SET class_deleted = :change WHERE {condition}",
                    {**named, "change": change},
                )
            else:
                connection.execute(
                    "INSERT INTO class_change_labels (change, label)"
                    f" SELECT :change, id FROM labels WHERE {condition}",
                    {**named, "change": change},
                )
                connection.execute(f"UPDATE labels SET class_name = :new WHERE {condition}", named)
            # Labels that were said before follow it when they arrive: see `followed_classes`.
            connection.execute(
                "UPDATE class_changes SET created = ? WHERE id = ?", (utc_now(), change)
            )
            _set_state(connection, change, ChangeState.APPLIED)

        await self._database.transaction(work)

    async def undo(self, change: int) -> None:
        """Give the labels back their class, in a change that is done."""

        def work(connection: StoreConnection) -> None:
            row = _row(connection, change)
            connection.execute(
                "UPDATE labels SET class_name = :name WHERE class_name = :new"
                " AND id IN (SELECT label FROM class_change_labels WHERE change = :change)",
                {"name": row["name"], "new": row["new_name"], "change": change},
            )
            connection.execute(
                "UPDATE labels SET class_deleted = NULL WHERE class_deleted = ?", (change,)
            )
            _set_state(connection, change, ChangeState.RETURNING)

        await self._database.transaction(work)

    async def end(self, change: int, state: ChangeState) -> None:
        """Write down that a change is DONE, or UNDONE."""
        await self._database.transaction(lambda connection: _set_state(connection, change, state))

    async def get(self, model: str, change: int) -> StoredChange:
        """Return one change of a model; raises UnknownClassChange."""
        if 0 < change <= MAX_INTEGER:
            for row in await self._database.execute(
                "SELECT * FROM class_changes WHERE id = ? AND model = ?", (change, model)
            ):
                return _stored(row)
        raise UnknownClassChange(
            f"There is no change {shortened(str(change), 40)} of a class of {model}.",
            "See those that there are: `servery classes history`.",
        )

    async def all(self, model: str) -> list[ClassChange]:
        """Return what was done to classes of a model, newest first."""
        rows = await self._database.execute(
            "SELECT * FROM class_changes WHERE model = ? AND state <> ? ORDER BY id DESC",
            (model, ChangeState.BEGUN),
        )
        return [_stored(row).change for row in rows]

    async def unfinished(self) -> list[StoredChange]:
        """Return the changes that a backend began and did not end, of models that there are."""
        rows = await self._database.execute(
            "SELECT * FROM class_changes WHERE state NOT IN (?, ?) AND model NOT LIKE '.%'"
            " ORDER BY id",
            (ChangeState.DONE, ChangeState.UNDONE),
        )
        return [_stored(row) for row in rows]


def keep_in_pool(
    connection: StoreConnection, files: ImageFolder, model: str, images: Iterable[str]
) -> None:
    """Put the photos of a deleted class into the pool: nobody says any more what they show."""
    for image in images:
        with contextlib.suppress(OSError):  # it is gone
            size = files.path(image).stat().st_size
            connection.execute(
                "INSERT INTO pool (model, image, created, bytes) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (model, image, utc_now(), size),
            )


def _row(connection: StoreConnection, change: int) -> StoredRow:
    row: StoredRow = connection.execute(
        "SELECT * FROM class_changes WHERE id = ?", (change,)
    ).fetchone()
    return row


def _set_state(connection: StoreConnection, change: int, state: ChangeState) -> None:
    connection.execute("UPDATE class_changes SET state = ? WHERE id = ?", (state, change))


def _stored(row: StoredRow) -> StoredChange:
    state = ChangeState(row["state"])
    return StoredChange(
        ClassChange(
            id=row["id"],
            model=row["model"],
            created=row["created"],
            by=row["author"],
            kind=ClassChangeKind(row["kind"]),
            name=row["name"],
            new_name=row["new_name"],
            version=row["version"],
            undone=state in (ChangeState.RETURNING, ChangeState.UNDONE),
        ),
        state,
        row["base_version"],
    )
