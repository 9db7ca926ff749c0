"""The labels of a model as one Servery hands them to another: every one that stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backend.store.database import StoreConnection, StoreDatabase
from serving.exporting.archive import ArchivedLabel

_WAITING = ".importing-"
"""Prefix of the model name under which labels are kept until their model exists; no name of a model
begins with it."""


class ArchivedLabelStore:
    """Reads all labels of a model, and adds those of another workspace to a new one.

    Their photos need not be there: what is learned from them are their embeddings. They are
    added before the model is there, and become its labels when it is: one that is killed in
    between leaves what says which it was.
    """

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def read(self, model: str) -> list[ArchivedLabel]:
        """Return the labels that were not taken back, in the order in which they were given."""
        rows = await self._database.execute(
            "SELECT * FROM labels WHERE model = ? AND undone IS NULL AND class_deleted IS NULL"
            " ORDER BY id",
            (model,),
        )
        return [
            ArchivedLabel(
                image=row["image"],
                kind=row["kind"],
                class_name=row["class_name"],
                by=row["author"],
                created=row["created"],
                held_out=bool(row["held_out"]),
                settles=bool(row["settles"]),
            )
            for row in rows
        ]

    async def add(
        self, model: str, labels: Sequence[ArchivedLabel], is_new: Callable[[str], bool]
    ) -> None:
        """Add labels, as one action, that wait for a model which is not there yet.

        `is_new(class)` returns whether its version cannot answer with the class.
        """

        def work(connection: StoreConnection) -> None:
            _drop(connection, model)
            action = 0
            for label in labels:
                (row,) = connection.execute(
                    "INSERT INTO labels (model, image, class_name, kind, author, settles, action,"
                    " created, new_class, held_out)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                    (
                        _WAITING + model,
                        label.image,
                        label.class_name,
                        label.kind,
                        label.by,
                        label.settles,
                        action,
                        label.created,
                        label.kind == "class" and is_new(label.class_name),
                        label.held_out,
                    ),
                ).fetchall()
                if not action:
                    action = int(row["id"])
                    connection.execute("UPDATE labels SET action = id WHERE id = ?", (action,))

        await self._database.transaction(work)

    async def waiting(self) -> list[str]:
        """Return the models whose labels wait for them."""
        rows = await self._database.execute(
            "SELECT DISTINCT model FROM labels WHERE model LIKE ?", (f"{_WAITING}%",)
        )
        return [str(row["model"]).removeprefix(_WAITING) for row in rows]

    async def arrive(self, model: str) -> None:
        """Give a model, which is there now, the labels that waited for it."""
        await self._database.execute(
            "UPDATE labels SET model = ? WHERE model = ?", (model, _WAITING + model)
        )

    async def drop(self, model: str) -> None:
        """Remove the labels that wait for a model which will not come."""
        await self._database.transaction(lambda connection: _drop(connection, model))


def _drop(connection: StoreConnection, model: str) -> None:
    connection.execute("DELETE FROM labels WHERE model = ?", (_WAITING + model,))
