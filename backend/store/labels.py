"""The table of labels: what people say images show, for each model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backend.contract import Label
from backend.store.images import ImageFolder
from backend.store.models import renamed_to
from serving.clock import utc_now
from serving.database import MAX_INTEGER, Connection, Database, Row
from serving.errors import BackendError
from serving.text.visible import shortened

_CURRENT = """
    SELECT * FROM labels
    WHERE id IN (
        SELECT MAX(id) FROM labels WHERE model = :model AND undone IS NULL GROUP BY image
    )
"""


_LEARNED = """
    SELECT * FROM labels
    WHERE id IN (
        SELECT MAX(id) FROM labels
        WHERE model = :model AND id <= :label AND (undone IS NULL OR undone_number > :undone)
        GROUP BY image
    )
"""
"""What was current when a run began."""


class LabelConflict(BackendError):
    """An idempotency key was used again for another label."""


class UnknownLabel(BackendError):
    """No label has this id."""


@dataclass(frozen=True)
class NewLabel:
    """A label of an image that is in the image folder already."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    class_name: str
    held_out: bool = False


class Moment(NamedTuple):
    """When a training run began, in terms of what had happened to labels by then."""

    label: int = 0
    """The highest label id there was; 0 without labels."""
    undone: int = 0
    """How many labels had been taken back, of all models."""


@dataclass(frozen=True)
class LabelSnapshot:
    """The labels of a model at one moment, for one training run."""

    current: tuple[Label, ...]
    """One an image, the newest that was not undone; oldest first."""
    images_ever_labeled: frozenset[str]
    held_out: frozenset[str]
    """Images that nothing may be learned from: the test part of an imported folder."""
    moment: Moment


class LabelStore:
    """Every label ever made; of those of one image in one model, the newest that was not
    undone counts."""

    def __init__(self, database: Database, images: ImageFolder) -> None:
        self._database = database
        self._images = images

    async def add(
        self,
        model: str,
        jpeg: bytes,
        class_name: str,
        is_new: Callable[[str], bool],
        key: str | None = None,
        *,
        other_name_of: str | None = None,
    ) -> tuple[Label, bool]:
        """Store a label for a normalized JPEG; returns it and whether it was created now.

        Image and label are on disk when this returns. A second call with the same
        `key` returns the label of the first and creates nothing; raises LabelConflict
        if its model, image or class differ. A class that differs from one labelled
        before only in capitals is that one; otherwise it is `other_name_of`, if given.
        `is_new(class)` returns whether no version of the model can answer with the class.
        """
        image = await asyncio.to_thread(self._images.put, jpeg)

        def work(connection: Connection) -> tuple[Label, bool]:
            # It may have been renamed since the request was looked at.
            now = renamed_to(connection, model) or model
            spellings = _spellings(connection, now)
            name = spellings.get(class_name.casefold(), other_name_of or class_name)
            # Without a key this finds nothing: in SQL, NULL equals nothing.
            for row in connection.execute("SELECT * FROM labels WHERE idempotency_key = ?", (key,)):
                return _same(_label(row), now, image, name), False
            # A photo of a test part stays one, however often it is labelled again.
            cursor = connection.execute(
                "INSERT INTO labels"
                " (model, image, class_name, created, new_class, idempotency_key, held_out)"
                " SELECT ?, ?, ?, ?, ?, ?, COALESCE(MAX(held_out), 0) FROM labels"
                " WHERE model = ? AND image = ? AND undone IS NULL RETURNING *",
                (now, image, name, utc_now(), is_new(name), key, now, image),
            )
            return _label(cursor.fetchone()), True

        return await self._database.transaction(work)

    async def add_many(
        self, model: str, labels: Sequence[NewLabel], is_new: Callable[[str], bool]
    ) -> int:
        """Store labels of images that are on disk already; returns how many are new.

        All of them are stored, or none. One that says what the image's current label
        says already adds nothing, so that the same labels can be given again.
        """

        def work(connection: Connection) -> int:
            spellings = _spellings(connection, model)
            rows = connection.execute(_CURRENT, {"model": model})
            current = {row["image"]: (row["class_name"], bool(row["held_out"])) for row in rows}
            added, now = 0, utc_now()
            for label in labels:
                folded = label.class_name.casefold()
                name = spellings.setdefault(folded, label.class_name)
                if current.get(label.image) == (name, label.held_out):
                    continue
                connection.execute(
                    "INSERT INTO labels (model, image, class_name, created, new_class, held_out)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (model, label.image, name, now, is_new(name), label.held_out),
                )
                current[label.image] = (name, label.held_out)
                added += 1
            return added

        return await self._database.transaction(work)

    async def undo(self, label_id: int) -> str:
        """Take a label back; the one it replaced counts again. Idempotent.

        Returns the model that it belongs to. Raises UnknownLabel if there is none
        with this id.
        """
        undone = []
        if 0 < label_id <= MAX_INTEGER:
            undone = await self._database.execute(
                "UPDATE labels SET undone = COALESCE(undone, ?), undone_number = COALESCE("
                "undone_number, (SELECT COALESCE(MAX(undone_number), 0) + 1 FROM labels))"
                " WHERE id = ? RETURNING model",
                (utc_now(), label_id),
            )
        if not undone:
            raise UnknownLabel(
                f"There is no label {shortened(str(label_id), 40)}.",
                "Use the `id` that `POST /labels` answered with, in the same workspace.",
            )
        return str(undone[0]["model"])

    async def snapshot(self, model: str) -> LabelSnapshot:
        """Return what a training run of `model` needs, as it is now."""
        parameters = {"model": model}

        def work(connection: Connection) -> LabelSnapshot:
            rows = connection.execute(_CURRENT + " ORDER BY id", parameters).fetchall()
            ever = connection.execute(
                "SELECT DISTINCT image FROM labels WHERE model = :model", parameters
            )
            (label,) = connection.execute(
                "SELECT COALESCE(MAX(id), 0) FROM labels WHERE model = :model", parameters
            ).fetchone()
            (undone,) = connection.execute(
                "SELECT COALESCE(MAX(undone_number), 0) FROM labels"
            ).fetchone()
            return LabelSnapshot(
                current=tuple(_label(row) for row in rows),
                images_ever_labeled=frozenset(row[0] for row in ever),
                held_out=frozenset(row["image"] for row in rows if row["held_out"]),
                moment=Moment(int(label), int(undone)),
            )

        return await self._database.transaction(work)

    async def counts(self, model: str, learned: Moment) -> tuple[dict[str, int], int]:
        """Return current labels per class, and how many changed since a run began at `learned`.

        Those are the labels that are newer, and photos whose label was taken back.
        """
        parameters = {"model": model, **learned._asdict()}

        def work(connection: Connection) -> tuple[dict[str, int], int]:
            rows = connection.execute(
                f"SELECT class_name, COUNT(*), SUM(id > :label) FROM ({_CURRENT})"
                " GROUP BY class_name",
                parameters,
            ).fetchall()
            (taken_back,) = connection.execute(
                f"SELECT COUNT(*) FROM ({_LEARNED}) AS learned"
                f" LEFT JOIN ({_CURRENT}) AS current ON current.image = learned.image"
                " WHERE current.id IS NULL"
                " OR current.id <= :label AND current.class_name <> learned.class_name",
                parameters,
            ).fetchone()
            counts = {row[0]: int(row[1]) for row in rows}
            return counts, sum(int(row[2]) for row in rows) + int(taken_back)

        return await self._database.transaction(work)

    async def totals(self) -> dict[str, int]:
        """Return how many photos are labelled in each model that has any."""
        rows = await self._database.execute(
            "SELECT model, COUNT(DISTINCT image) AS photos FROM labels WHERE undone IS NULL"
            " GROUP BY model"
        )
        return {row["model"]: row["photos"] for row in rows}

    async def photos(self, model: str, count: int) -> list[Label]:
        """Return at most `count` current labels: the newest of each class, then the second
        newest, and so on."""
        rows = await self._database.execute(
            "SELECT *, ROW_NUMBER() OVER (PARTITION BY class_name ORDER BY id DESC) AS place"
            f" FROM ({_CURRENT}) ORDER BY place, id DESC LIMIT :count",
            {"model": model, "count": count},
        )
        return [_label(row) for row in rows]


def _spellings(connection: Connection, model: str) -> dict[str, str]:
    """Return the spelling of each class that is labelled now, by what it is without capitals."""
    rows = connection.execute(
        f"SELECT DISTINCT class_name FROM ({_CURRENT})", {"model": model}
    ).fetchall()
    return {row[0].casefold(): row[0] for row in rows}


def _same(label: Label, model: str, image: str, class_name: str) -> Label:
    if (label.model, label.image) != (model, image) or (
        label.class_name.casefold() != class_name.casefold()
    ):
        raise LabelConflict(
            "This idempotency key was used before, for another image, class or model.",
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
        model=row["model"],
    )
