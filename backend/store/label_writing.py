"""How one label is written, and recognised when it is sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from backend.contract import Label, LabelKind
from backend.store.database import StoreConnection
from backend.store.followed_classes import NOTHING_FOLLOWED, FollowedClass, follow
from backend.store.label_queries import label_of
from serving.clock import utc_now
from serving.errors import BackendError


class LabelConflict(BackendError):
    """An idempotency key was used again for another label."""


@dataclass(frozen=True)
class Statement:
    """What a person says, of one image or of many."""

    class_name: str = ""
    """Empty unless `kind` is CLASS."""
    kind: LabelKind = LabelKind.CLASS
    by: str = ""
    """Who says it; empty if that is not known."""
    settles: bool = False
    """It outweighs what others have said before."""
    said_at: str = ""
    """When it was said, as `utc_now` writes it; empty for now."""
    followed: FollowedClass = NOTHING_FOLLOWED
    """What was done to its class since."""


def insert_label(
    connection: StoreConnection,
    model: str,
    image: str,
    said: Statement,
    is_new: Callable[[str], bool],
    action: int,
    *,
    key: str | None = None,
    batch: str | None = None,
    held_out: bool | None = None,
    created: str = "",
) -> Label:
    """Insert a label, `created` now unless it says when; with `action` 0 it begins one. A photo of
    a test part stays one if `held_out` does not say otherwise, however often it is labelled."""
    row = connection.execute(
        "INSERT INTO labels (model, image, class_name, kind, author, settles, action, created,"
        " new_class, idempotency_key, batch, held_out)"
        " SELECT :model, :image, :class_name, :kind, :author, :settles, :action, :created,"
        " :new_class, :key, :batch, COALESCE(:held_out, MAX(held_out), 0) FROM labels"
        " WHERE model = :model AND image = :image AND undone IS NULL RETURNING *",
        {
            "model": model,
            "image": image,
            "class_name": said.class_name,
            "kind": said.kind,
            "author": said.by,
            "settles": said.settles,
            "action": action,
            "created": created or utc_now(),
            "new_class": said.kind is LabelKind.CLASS and is_new(said.class_name),
            "key": key,
            "batch": batch,
            "held_out": held_out,
        },
    ).fetchone()
    label = label_of(row)
    said.followed.note(connection, label.id)
    if not action:
        connection.execute("UPDATE labels SET action = id WHERE id = ?", (label.id,))
        label = replace(label, action=label.id)
    return label


def action_of(connection: StoreConnection, model: str, batch: str | None) -> int:
    """Return the action that the labels of a batch belong to; 0 if it has none yet."""
    for row in connection.execute(
        "SELECT action FROM labels WHERE batch = ? AND model = ? LIMIT 1", (batch, model)
    ):
        return int(row["action"])
    return 0


def with_current_class_name(connection: StoreConnection, model: str, said: Statement) -> Statement:
    """Return a statement with its class as it is called now, spelled as in the labels there are."""
    followed = follow(connection, model, said.class_name, said.said_at)
    said = replace(said, class_name=followed.name, followed=followed)
    spellings = spellings_of(connection, model)
    name = spellings.get(said.class_name.casefold(), said.class_name)
    return replace(said, class_name=name)


def spellings_of(connection: StoreConnection, model: str) -> dict[str, str]:
    """Return the spelling of each class that is labelled now, by what it is without capitals."""
    rows = connection.execute(
        "SELECT DISTINCT class_name FROM labels"
        " WHERE model = ? AND undone IS NULL AND class_deleted IS NULL AND kind = 'class'",
        (model,),
    ).fetchall()
    return {row[0].casefold(): row[0] for row in rows}


def same_label(
    connection: StoreConnection, label: Label, model: str, image: str, said: Statement
) -> Label:
    (class_changed,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM class_change_labels WHERE label = ?)", (label.id,)
    ).fetchone()
    same_class = class_changed or label.class_name.casefold() == said.class_name.casefold()
    if (label.model, label.image, label.kind) != (model, image, said.kind) or not same_class:
        raise LabelConflict(
            "This idempotency key was used before, for another image, class or model.",
            "Send a new key with every new label.",
        )
    return label
