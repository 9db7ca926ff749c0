"""The table of labels: what people say images show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from backend.contract import Label
from backend.store.images import ImageFolder
from serving.clock import utc_now
from serving.database import Connection, Database, Row
from serving.errors import BackendError

_CURRENT = """
    SELECT * FROM labels
    WHERE id IN (SELECT MAX(id) FROM labels WHERE undone IS NULL GROUP BY image)
"""


class LabelConflict(BackendError):
    """An idempotency key was used again for another label."""


class UnknownLabel(BackendError):
    """No label has this id."""


@dataclass(frozen=True)
class LabelSnapshot:
    """The labels at one moment, for one training run."""

    current: tuple[Label, ...]
    """One an image, the newest that was not undone; oldest first."""
    images_ever_labeled: frozenset[str]
    last_label: int
    """The highest label id there is; 0 without labels."""


class LabelStore:
    """Every label ever made; of those of one image, the newest that was not undone counts."""

    def __init__(self, database: Database, images: ImageFolder) -> None:
        self._database = database
        self._images = images

    async def add(
        self,
        jpeg: bytes,
        class_name: str,
        is_new: Callable[[str], bool],
        key: str | None = None,
    ) -> tuple[Label, bool]:
        """Store a label for a normalized JPEG; returns it and whether it was created now.

        Image and label are on disk when this returns. A second call with the same
        `key` returns the label of the first and creates nothing; raises LabelConflict
        if its image or class differ. A class that differs from one labelled before
        only in capitals is that one. `is_new(class)` returns whether no version can
        answer with the class.
        """
        image = await asyncio.to_thread(self._images.put, jpeg)

        def work(connection: Connection) -> tuple[Label, bool]:
            name = _spelling(connection, class_name)
            # Without a key this finds nothing: in SQL, NULL equals nothing.
            for row in connection.execute("SELECT * FROM labels WHERE idempotency_key = ?", (key,)):
                return _same(_label(row), image, name), False
            cursor = connection.execute(
                "INSERT INTO labels (image, class_name, created, new_class, idempotency_key)"
                " VALUES (?, ?, ?, ?, ?) RETURNING *",
                (image, name, utc_now(), is_new(name), key),
            )
            return _label(cursor.fetchone()), True

        return await self._database.transaction(work)

    async def undo(self, label_id: int) -> None:
        """Take a label back; the one it replaced counts again. Idempotent.

        Raises UnknownLabel if there is none with this id.
        """
        undone = await self._database.execute(
            "UPDATE labels SET undone = COALESCE(undone, ?) WHERE id = ? RETURNING id",
            (utc_now(), label_id),
        )
        if not undone:
            raise UnknownLabel(
                f"There is no label {label_id}.", "It may belong to another workspace."
            )

    async def snapshot(self) -> LabelSnapshot:
        """Return what a training run needs, as it is now."""

        def work(connection: Connection) -> LabelSnapshot:
            current = tuple(_label(row) for row in connection.execute(_CURRENT + " ORDER BY id"))
            ever = connection.execute("SELECT DISTINCT image FROM labels")
            last = connection.execute("SELECT COALESCE(MAX(id), 0) FROM labels").fetchone()
            return LabelSnapshot(current, frozenset(row[0] for row in ever), int(last[0]))

        return await self._database.transaction(work)

    async def counts(self, after: int) -> tuple[dict[str, int], int]:
        """Return current labels per class, and how many of them have an id above `after`."""
        rows = await self._database.execute(
            f"SELECT class_name, COUNT(*), SUM(id > ?) FROM ({_CURRENT}) GROUP BY class_name",
            (after,),
        )
        return {name: count for name, count, _ in rows}, sum(newer for _, _, newer in rows)


def _spelling(connection: Connection, class_name: str) -> str:
    folded = class_name.casefold()
    for row in connection.execute(f"SELECT DISTINCT class_name FROM ({_CURRENT})"):
        if row[0].casefold() == folded:
            return str(row[0])
    return class_name


def _same(label: Label, image: str, class_name: str) -> Label:
    if label.image != image or label.class_name.casefold() != class_name.casefold():
        raise LabelConflict(
            "This idempotency key was used before, for another image or class.",
            "Send a new key with every new label.",
        )
    return label


def _label(row: Row) -> Label:
    return Label(
        id=row["id"],
        image=row["image"],
        class_name=row["class_name"],
        created=row["created"],
        new_class=bool(row["new_class"]),
    )
