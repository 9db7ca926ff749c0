"""Labels as files have them: all that a model has, and those that come from elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.contract import LabelKind
from backend.store.database import StoreConnection, StoreDatabase, StoredRow
from backend.store.images import ImageFolder, UnknownImage
from backend.store.label_queries import CURRENT, DISPUTED, parameters
from backend.store.label_writing import Statement, insert_label, spellings_of
from backend.store.models import renamed_to


@dataclass(frozen=True)
class WrittenLabel:
    """A label with everything that a file says of it."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    class_name: str
    """Empty unless `kind` is CLASS."""
    kind: LabelKind
    by: str
    created: str
    """In UTC, ISO 8601 with milliseconds; empty if that is not known."""
    settles: bool = False
    """It outweighs what others had said before."""
    held_out: bool | None = None
    """The photo is for measuring accuracy, and nothing is learned from it; None if not said."""
    counts: bool = False
    """It is the one label of its photo that counts."""
    disputed: bool = False
    """People say different things of its photo, so that none counts."""


@dataclass(frozen=True)
class ImportedLabels:
    """What became of labels from elsewhere."""

    new: int
    known: int
    """The model has the same labels already."""
    outdated: int
    """The same person has labelled the photo since."""
    photos: int
    """How many photos the new ones are of."""
    action: int
    """0 if there is no new one."""


class LabelExchange:
    """The labels of a model, for files to be written or after they were read."""

    def __init__(self, database: StoreDatabase, images: ImageFolder) -> None:
        self._database = database
        self._images = images

    async def labels(self, model: str) -> list[WrittenLabel]:
        """Return every label that was not undone, in the order in which they were given."""

        def work(connection: StoreConnection) -> list[WrittenLabel]:
            of_model = parameters(model)
            counting = {row["id"] for row in connection.execute(CURRENT, of_model)}
            disputed = {row["image"] for row in connection.execute(DISPUTED, of_model)}
            rows = connection.execute(
                "SELECT * FROM labels WHERE model = :model AND undone IS NULL"
                " AND class_deleted IS NULL ORDER BY id",
                of_model,
            ).fetchall()
            return [_written(row, row["id"] in counting, row["image"] in disputed) for row in rows]

        return await self._database.snapshot(work)

    async def take(
        self, model: str, labels: Sequence[WrittenLabel], is_new: Callable[[str], bool]
    ) -> ImportedLabels:
        """Store labels of images that are on disk, in this order: all, or none; one action.

        One that the model has is not stored again, nor one that is older than what the same
        person has said of the photo here. Classes are spelled as in the labels that there
        are. `is_new` is as in `LabelStore.add`. Raises UnknownImage.
        """

        def work(connection: StoreConnection) -> ImportedLabels:
            now = renamed_to(connection, model) or model
            spellings = spellings_of(connection, now)
            here = _Here(connection, now)
            known = outdated = new = action = 0
            photos = set()
            for label in labels:
                name = spellings.setdefault(label.class_name.casefold(), label.class_name)
                if here.has(label, name):
                    known += 1
                    continue
                if here.is_older(label):
                    outdated += 1
                    continue
                if self._images.find(label.image) is None:
                    raise UnknownImage(label.image)
                action = insert_label(
                    connection,
                    now,
                    label.image,
                    Statement(name, label.kind, label.by, label.settles),
                    is_new,
                    action,
                    held_out=label.held_out,
                    created=label.created,
                ).action
                new += 1
                photos.add(label.image)
            return ImportedLabels(new, known, outdated, len(photos), action)

        return await self._database.transaction(work)


class _Here:
    """The labels that a model has before others come."""

    def __init__(self, connection: StoreConnection, model: str) -> None:
        self._said: defaultdict[tuple[str, str], list[WrittenLabel]] = defaultdict(list)
        for row in connection.execute(
            "SELECT * FROM labels WHERE model = ? AND undone IS NULL AND class_deleted IS NULL"
            " ORDER BY id",
            (model,),
        ):
            label = _written(row)
            self._said[label.image, label.by].append(label)

    def has(self, label: WrittenLabel, class_name: str) -> bool:
        """Whether the label is here; without a moment, whether it is the last of its author."""
        said = self._said.get((label.image, label.by), [])
        candidates = said if label.created else said[-1:]
        return any(
            (each.kind, each.class_name) == (label.kind, class_name)
            and (not label.created or each.created == label.created)
            and each.settles == label.settles
            and label.held_out in (None, each.held_out)
            for each in candidates
        )

    def is_older(self, label: WrittenLabel) -> bool:
        """Whether its author has said something of its photo later."""
        said = self._said.get((label.image, label.by), [])
        return bool(label.created) and any(each.created > label.created for each in said)


def _written(row: StoredRow, counts: bool = False, disputed: bool = False) -> WrittenLabel:
    return WrittenLabel(
        image=row["image"],
        class_name=row["class_name"],
        kind=LabelKind(row["kind"]),
        by=row["author"],
        created=row["created"],
        settles=bool(row["settles"]),
        held_out=bool(row["held_out"]),
        counts=counts,
        disputed=disputed,
    )
