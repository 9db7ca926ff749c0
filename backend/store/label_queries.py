"""Which labels count: SQL that the stores of labels, conflicts and the pool share.

Of the labels of one photo in one model the newest counts that was not undone; one that says
SKIP says nothing. None counts while two people disagree: the newest labels of two authors
differ, and no later label settles it. An author that is not known disagrees with nobody.
The parameters are those of `parameters`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from backend.contract import Label, LabelKind
from backend.store.database import StoredRow


class Moment(NamedTuple):
    """When a training run began, in terms of what had happened to labels by then."""

    label: int = 0
    """The highest label id there was; 0 without labels."""
    undone: int = 0
    """How many times labels had been taken back, of all models."""


_NOW = "model = :model AND undone IS NULL"
_THEN = "model = :model AND id <= :label AND (undone IS NULL OR undone_number > :undone)"


def _newest_by_author(condition: str, images: str = "") -> str:
    """Return the newest labels of the authors of each photo that has several, since it was last
    settled."""
    said = f"{condition} {images} AND kind <> 'skip' AND author <> '' AND class_deleted IS NULL"
    return f"""
        SELECT * FROM labels
        WHERE id IN (
            SELECT MAX(id) FROM labels AS said
            WHERE {said}
            AND image IN (
                SELECT image FROM labels WHERE {said}
                GROUP BY image HAVING MIN(author) <> MAX(author)
            )
            AND id >= COALESCE((
                SELECT MAX(id) FROM labels AS settling
                WHERE {condition} AND settles = 1 AND settling.image = said.image
            ), 0)
            GROUP BY image, author
        )
    """


def _disputed(condition: str, images: str = "") -> str:
    """Return the images of which people say different things."""
    return f"""
        SELECT image FROM ({_newest_by_author(condition, images)}) AS newest
        GROUP BY image HAVING COUNT(DISTINCT kind || '/' || class_name) > 1
    """


def _counting(condition: str, images: str = "") -> str:
    """Return the labels that count of those that stand; `images` is a condition on the photos."""
    return f"""
        SELECT * FROM labels
        WHERE class_deleted IS NULL
        AND id IN (
            SELECT MAX(id) FROM labels WHERE {condition} {images} AND kind <> 'skip' GROUP BY image
        )
        AND image NOT IN ({_disputed(condition, images)})
    """


CURRENT = _counting(_NOW)
"""The labels that count now: those of classes, and those that say NONE."""
_TOUCHED = """AND image IN (
    SELECT image FROM labels WHERE id > :label
    UNION SELECT image FROM labels WHERE undone_number > :undone
)"""
"""Of any model, so that the primary key finds them, and not an index of the model."""
CURRENT_OF_TOUCHED = _counting(_NOW, _TOUCHED)
LEARNED_OF_TOUCHED = _counting(_THEN, _TOUCHED)
"""What counts now and what counted when a run began, of the photos to which anything happened
since; of all others that is the same. They also take the parameters of its Moment, and the time
that they take grows with what happened since alone."""
DISPUTED = _disputed(_NOW)
NEWEST_BY_AUTHOR = _newest_by_author(_NOW)
POOL_PHOTO_IS_LABELLED = f"""
    EXISTS (
        SELECT 1 FROM labels
        WHERE class_deleted IS NULL AND id = (
            SELECT MAX(id) FROM labels WHERE {_NOW} AND kind <> 'skip' AND image = pool.image
        )
    )
"""
"""Of a row of the table `pool`: somebody says what it shows, disputed or not."""
SKIPPED = f"""
    SELECT image FROM labels AS skipped
    WHERE {_NOW} AND kind = 'skip' AND id > COALESCE((
        SELECT MAX(id) FROM labels WHERE {_NOW} AND kind <> 'skip' AND image = skipped.image
    ), 0)
"""
"""Images of which a person said last that it is nothing for now."""


def parameters(model: str, moment: Moment | None = None) -> dict[str, Any]:
    """Return the parameters of these queries."""
    return {"model": model, **(moment or Moment())._asdict()}


def label_of(row: StoredRow) -> Label:
    """Return a row of the table as a label."""
    return Label(
        id=row["id"],
        image=row["image"],
        class_name=row["class_name"],
        created=row["created"],
        new_class=bool(row["new_class"]),
        model=row["model"],
        kind=LabelKind(row["kind"]),
        by=row["author"],
        action=row["action"],
    )
