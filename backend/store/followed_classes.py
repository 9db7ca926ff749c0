"""What was done to a class between a label was said and it reached the backend.

A label that waited in an outbox follows the renames, merges and deletions that came meanwhile, as
those did that the backend had by then.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.contract import ClassChangeKind
from backend.store.database import StoreConnection

_COUNTED = ("applied", "done")
"""States of changes that hold: neither only begun nor taken back."""


@dataclass(frozen=True)
class FollowedClass:
    """What a class is called now, and which changes made it so."""

    name: str
    changes: tuple[int, ...] = ()
    """Those that renamed or merged it."""
    deleted_by: int | None = None
    """The change that deleted it; then it has the name that it had until then."""

    def note(self, connection: StoreConnection, label: int) -> None:
        """Write down of a label that its class was changed so; undoing a change undoes that."""
        connection.executemany(
            "INSERT INTO class_change_labels (change, label) VALUES (?, ?)",
            [(change, label) for change in self.changes],
        )
        if self.deleted_by is not None:
            connection.execute(
                "UPDATE labels SET class_deleted = ? WHERE id = ?", (self.deleted_by, label)
            )


NOTHING_FOLLOWED = FollowedClass("")


def follow(connection: StoreConnection, model: str, name: str, said_at: str) -> FollowedClass:
    """Return what became of a class of a model since a moment, as `utc_now` writes it.

    Without a moment, and without a name, nothing did.
    """
    followed = FollowedClass(name)
    if not name or not said_at:
        return followed
    rows = connection.execute(
        "SELECT id, kind, name, new_name FROM class_changes"
        " WHERE model = ? AND created >= ? AND state IN (?, ?) ORDER BY id",
        (model, said_at, *_COUNTED),
    ).fetchall()
    for row in rows:
        if row["name"].casefold() != followed.name.casefold():
            continue
        if row["kind"] == ClassChangeKind.DELETED:
            return FollowedClass(row["name"], followed.changes, row["id"])
        followed = FollowedClass(row["new_name"], (*followed.changes, row["id"]))
    return followed
