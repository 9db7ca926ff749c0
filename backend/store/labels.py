"""The table of labels: what people say images show, for each model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.contract import Conflict, Label, LabelAction, LabelKind
from backend.store.classes import keep_in_pool
from backend.store.database import MAX_INTEGER, StoreConnection, StoreDatabase
from backend.store.images import ImageFolder, UnknownImage
from backend.store.label_queries import (
    CURRENT,
    CURRENT_OF_TOUCHED,
    DISPUTED,
    LEARNED_OF_TOUCHED,
    NEWEST_BY_AUTHOR,
    SKIPPED,
    Moment,
    label_of,
    parameters,
)
from backend.store.label_writing import (
    Statement,
    action_of,
    insert_label,
    same_label,
    spellings_of,
    with_current_class_name,
)
from backend.store.models import renamed_to
from serving.clock import utc_now
from serving.errors import BackendError
from serving.text.visible import shortened

MAX_LISTED_IMAGES = 1000
"""Of one action, in a list of actions."""


class UnknownLabel(BackendError):
    """No label, and no action, has this id."""


@dataclass(frozen=True)
class NewLabel:
    """A label of an image that is in the image folder already."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    class_name: str
    held_out: bool = False


@dataclass(frozen=True)
class LabelSnapshot:
    """The labels of a model at one moment, for one training run."""

    current: tuple[Label, ...]
    """Labels of classes: one an image, the newest that was not undone; oldest first."""
    images_ever_labeled: frozenset[str]
    held_out: frozenset[str]
    """Images that nothing may be learned from: the test part of an imported folder."""
    moment: Moment
    none: tuple[Label, ...] = ()
    """Current labels of images that show none of the classes; oldest first."""
    disputed: frozenset[str] = frozenset()
    """Images that people label differently; their labels are in neither tuple."""
    skipped: frozenset[str] = frozenset()
    """Images of which a person said last that it is nothing for now."""


@dataclass(frozen=True)
class LabelCounts:
    """How many photos of a model are labelled now."""

    classes: dict[str, int]
    none: int
    disputed: int
    changed: int
    """Labels that a run has not learned from, and photos whose label was taken back since."""


class LabelStore:
    """Every label ever made; `label_queries` says which of those of one image counts."""

    def __init__(self, database: StoreDatabase, images: ImageFolder) -> None:
        self._database = database
        self._images = images

    async def add(
        self,
        model: str,
        photo: bytes | str,
        said: Statement,
        is_new: Callable[[str], bool],
        key: str | None = None,
        batch: str | None = None,
    ) -> tuple[Label, bool]:
        """Store a label of `photo`, a normalized JPEG or the hash of a stored image.

        Returns it and whether it was created now. Image and label are on disk when this
        returns. A second call with the same `key` returns the label of the first and creates
        nothing; raises LabelConflict if its model, image or statement differ. Labels with the
        same `batch` belong to one action. A class that differs from one labelled before only
        in capitals is that one. `is_new(class)` returns whether no version of the model can
        answer with the class. What was done to the class since it was said is done to the label.
        Raises UnknownImage.
        """
        if isinstance(photo, bytes):
            image = await asyncio.to_thread(self._images.put, photo)
        else:
            image = photo

        def work(connection: StoreConnection) -> tuple[Label, bool]:
            # It may have been renamed since the request was looked at.
            now = renamed_to(connection, model) or model
            spelled = with_current_class_name(connection, now, said)
            # Without a key this finds nothing: in SQL, NULL equals nothing.
            for row in connection.execute("SELECT * FROM labels WHERE idempotency_key = ?", (key,)):
                return same_label(connection, label_of(row), now, image, spelled), False
            # It may have been removed from the pool in between.
            self._ensure_stored(image, photo)
            action = action_of(connection, now, batch)
            new = insert_label(
                connection, now, image, spelled, is_new, action, key=key, batch=batch
            )
            self._keep_if_deleted(connection, now, [image], spelled)
            return new, True

        return await self._database.transaction(work)

    async def add_batch(
        self,
        model: str,
        images: Sequence[str],
        said: Statement,
        is_new: Callable[[str], bool],
        key: str | None = None,
    ) -> tuple[LabelAction, bool]:
        """Store one statement about many stored images: all labels, or none.

        Returns the action and whether it was created now; `key` is as in `add`. Raises
        UnknownImage for one that is not stored.
        """
        distinct = list(dict.fromkeys(images))

        def work(connection: StoreConnection) -> tuple[LabelAction, bool]:
            now = renamed_to(connection, model) or model
            spelled = with_current_class_name(connection, now, said)
            for row in connection.execute("SELECT * FROM labels WHERE idempotency_key = ?", (key,)):
                first = same_label(connection, label_of(row), now, distinct[0], spelled)
                return _actions(connection, now, [first.action])[0], False
            action = 0
            for number, image in enumerate(distinct):
                self._ensure_stored(image, image)
                only_first = key if number == 0 else None
                label = insert_label(
                    connection, now, image, spelled, is_new, action, key=only_first
                )
                action = label.action
            self._keep_if_deleted(connection, now, distinct, spelled)
            return _actions(connection, now, [action])[0], True

        return await self._database.transaction(work)

    def _keep_if_deleted(
        self, connection: StoreConnection, model: str, images: Sequence[str], said: Statement
    ) -> None:
        if said.followed.deleted_by is not None:
            keep_in_pool(connection, self._images, model, images)

    def _ensure_stored(self, image: str, photo: bytes | str) -> None:
        """Check, inside a transaction, that a photo to be labelled is in the image folder."""
        if self._images.find(image) is None:
            if isinstance(photo, str):
                raise UnknownImage(image)
            self._images.put(photo)

    async def add_many(
        self,
        model: str,
        labels: Sequence[NewLabel],
        is_new: Callable[[str], bool],
        *,
        by: str = "",
        batch: str | None = None,
    ) -> int:
        """Store labels of images that are on disk already; returns how many are new.

        All of them are stored, or none. One that says what the image's current label
        says already adds nothing, so that the same labels can be given again. Labels with
        the same `batch` belong to one action.
        """

        def work(connection: StoreConnection) -> int:
            spellings = spellings_of(connection, model)
            rows = connection.execute(CURRENT, parameters(model))
            current = {row["image"]: (row["class_name"], bool(row["held_out"])) for row in rows}
            action = action_of(connection, model, batch)
            added = 0
            for label in labels:
                name = spellings.setdefault(label.class_name.casefold(), label.class_name)
                if current.get(label.image) == (name, label.held_out):
                    continue
                said = Statement(name, by=by)
                action = insert_label(
                    connection,
                    model,
                    label.image,
                    said,
                    is_new,
                    action,
                    batch=batch,
                    held_out=label.held_out,
                ).action
                current[label.image] = (name, label.held_out)
                added += 1
            return added

        return await self._database.transaction(work)

    async def undo(self, label_id: int) -> str:
        """Take a label back; the one it replaced counts again. Idempotent.

        Returns the model that it belongs to. Raises UnknownLabel if there is none
        with this id.
        """
        models = await self._undo("id", label_id)
        if not models:
            raise UnknownLabel(
                f"There is no label {shortened(str(label_id), 40)}.",
                "Use the `id` that `POST /labels` answered with, in the same workspace.",
            )
        return models[0]

    async def undo_action(self, action: int) -> LabelAction:
        """Take all labels of an action back, as `undo` does; raises UnknownLabel."""
        models = await self._undo("action", action)
        if not models:
            raise UnknownLabel(
                f"There is no action {shortened(str(action), 40)}.",
                "`GET /labels/actions` lists those that there are.",
            )
        return await self._database.snapshot(
            lambda connection: _actions(connection, models[0], [action])[0]
        )

    async def _undo(self, column: str, value: int) -> list[str]:
        if not 0 < value <= MAX_INTEGER:
            return []
        rows = await self._database.execute(
            "UPDATE labels SET undone = COALESCE(undone, :now), undone_number = COALESCE("
            "undone_number, (SELECT COALESCE(MAX(undone_number), 0) + 1 FROM labels))"
            f" WHERE {column} = :value RETURNING model",
            {"now": utc_now(), "value": value},
        )
        return [str(row["model"]) for row in rows]

    async def actions(self, model: str, count: int) -> list[LabelAction]:
        """Return the last `count` actions of all people, newest first, undone ones too."""

        def work(connection: StoreConnection) -> list[LabelAction]:
            rows = connection.execute(
                "SELECT DISTINCT action FROM labels WHERE model = ? ORDER BY action DESC LIMIT ?",
                (model, count),
            )
            return _actions(connection, model, [row["action"] for row in rows])

        return await self._database.snapshot(work)

    async def of_image(self, model: str, image: str) -> list[Label]:
        """Return every label of one photo that was not undone, newest first."""
        rows = await self._database.execute(
            "SELECT * FROM labels WHERE model = ? AND image = ? AND undone IS NULL"
            " AND class_deleted IS NULL ORDER BY id DESC",
            (model, image),
        )
        return [label_of(row) for row in rows]

    async def conflicts(self, model: str) -> list[Conflict]:
        """Return the photos that people label differently, the last labelled first."""
        rows = await self._database.execute(
            f"SELECT * FROM ({NEWEST_BY_AUTHOR}) AS newest WHERE image IN ({DISPUTED})"
            " ORDER BY id DESC",
            parameters(model),
        )
        labels: dict[str, list[Label]] = {}
        for row in rows:
            labels.setdefault(row["image"], []).append(label_of(row))
        return [Conflict(image, said) for image, said in labels.items()]

    async def since(self, model: str, moment: str) -> dict[str, str]:
        """Return the classes that people gave photos since a moment (UTC, ISO 8601), by image."""
        rows = await self._database.execute(
            "SELECT image, class_name FROM labels"
            " WHERE model = ? AND created >= ? AND undone IS NULL AND class_deleted IS NULL"
            " AND kind = 'class' ORDER BY id",
            (model, moment),
        )
        return {row["image"]: row["class_name"] for row in rows}

    async def snapshot(self, model: str) -> LabelSnapshot:
        """Return what a training run of `model` needs, as it is now."""
        of_model = parameters(model)

        def work(connection: StoreConnection) -> LabelSnapshot:
            def images(query: str) -> frozenset[str]:
                return frozenset(row[0] for row in connection.execute(query, of_model))

            rows = connection.execute(CURRENT + " ORDER BY id", of_model).fetchall()
            (label,) = connection.execute(
                "SELECT COALESCE(MAX(id), 0) FROM labels WHERE model = :model", of_model
            ).fetchone()
            (undone,) = connection.execute(
                "SELECT COALESCE(MAX(undone_number), 0) FROM labels"
            ).fetchone()
            labels = [label_of(row) for row in rows]
            return LabelSnapshot(
                current=tuple(each for each in labels if each.kind is LabelKind.CLASS),
                none=tuple(each for each in labels if each.kind is LabelKind.NONE),
                images_ever_labeled=images("SELECT image FROM labels WHERE model = :model"),
                held_out=frozenset(row["image"] for row in rows if row["held_out"]),
                disputed=images(DISPUTED),
                skipped=images(SKIPPED),
                moment=Moment(int(label), int(undone)),
            )

        return await self._database.snapshot(work)

    async def counts(self, model: str, learned: Moment) -> LabelCounts:
        """Count the current labels, and those that changed since a run began at `learned`."""
        values = parameters(model, learned)

        def work(connection: StoreConnection) -> LabelCounts:
            rows = connection.execute(
                "SELECT kind, class_name, COUNT(*) AS photos,"
                " COUNT(*) FILTER (WHERE id > :label) AS newer"
                f" FROM ({CURRENT}) AS current GROUP BY kind, class_name",
                values,
            ).fetchall()
            (disputed,) = connection.execute(
                f"SELECT COUNT(*) FROM ({DISPUTED}) AS disputed", values
            ).fetchone()
            of_classes = [row for row in rows if row["kind"] == LabelKind.CLASS]
            return LabelCounts(
                classes={row["class_name"]: int(row["photos"]) for row in of_classes},
                none=sum(row["photos"] for row in rows if row["kind"] == LabelKind.NONE),
                disputed=int(disputed),
                changed=sum(row["newer"] for row in rows) + _taken_back(connection, values),
            )

        return await self._database.snapshot(work)

    async def changed(self, model: str, learned: Moment) -> int:
        """Return `LabelCounts.changed`, in a time that grows with what happened since alone."""
        values = parameters(model, learned)
        # Without a run before, all labels are touched, which is found sooner by not asking.
        current = CURRENT_OF_TOUCHED if learned.label else CURRENT

        def work(connection: StoreConnection) -> int:
            (newer,) = connection.execute(
                f"SELECT COUNT(*) FROM ({current}) AS current WHERE id > :label", values
            ).fetchone()
            return int(newer) + _taken_back(connection, values)

        return await self._database.snapshot(work)

    async def last(self, model: str) -> int:
        """Return the id of the newest label of a model, 0 without any."""
        (row,) = await self._database.execute(
            "SELECT COALESCE(MAX(id), 0) AS last FROM labels WHERE model = ?", (model,)
        )
        return int(row["last"])

    async def totals(self) -> dict[str, int]:
        """Return how many photos are labelled with a class in each model that has any."""
        rows = await self._database.execute(
            "SELECT model, COUNT(DISTINCT image) AS photos FROM labels"
            " WHERE undone IS NULL AND class_deleted IS NULL AND kind = 'class' GROUP BY model"
        )
        return {row["model"]: row["photos"] for row in rows}

    async def photos(self, model: str, count: int) -> list[Label]:
        """Return at most `count` current labels of classes: the newest of each class, then the
        second newest, and so on."""
        rows = await self._database.execute(
            "SELECT *, ROW_NUMBER() OVER (PARTITION BY class_name ORDER BY id DESC) AS place"
            f" FROM ({CURRENT}) AS current WHERE kind = 'class'"
            " ORDER BY place, id DESC LIMIT :count",
            {**parameters(model), "count": count},
        )
        return [label_of(row) for row in rows]


def _actions(connection: StoreConnection, model: str, actions: Sequence[int]) -> list[LabelAction]:
    """Return actions of a model, in this order."""
    found = []
    for action in actions:
        of_action = {"model": model, "action": action, "count": MAX_LISTED_IMAGES}
        rows = connection.execute(
            "SELECT * FROM labels WHERE model = :model AND action = :action"
            " ORDER BY id LIMIT :count",
            of_action,
        ).fetchall()
        count, standing, classes = connection.execute(
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE undone IS NULL), COUNT(DISTINCT class_name)"
            " FROM labels WHERE model = :model AND action = :action",
            of_action,
        ).fetchone()
        first = label_of(rows[0])
        found.append(
            LabelAction(
                id=action,
                created=first.created,
                by=first.by,
                class_name=first.class_name if classes == 1 else "",
                kind=first.kind,
                images=[row["image"] for row in rows],
                count=count,
                undone=not standing,
                model=model,
            )
        )
    return found


def _taken_back(connection: StoreConnection, values: Mapping[str, Any]) -> int:
    """Count the photos whose label was taken back since a run learned it; `values` are the
    parameters of when it began."""
    if not values["label"]:
        return 0
    (count,) = connection.execute(
        f"SELECT COUNT(*) FROM ({LEARNED_OF_TOUCHED}) AS learned"
        f" LEFT JOIN ({CURRENT_OF_TOUCHED}) AS current ON current.image = learned.image"
        " WHERE current.id IS NULL OR current.id <= :label"
        " AND (current.class_name, current.kind) <> (learned.class_name, learned.kind)",
        values,
    ).fetchone()
    return int(count)
