"""What the tables hold of a whole model: renamed, copied, set aside and removed together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from backend.store.database import StoreConnection, StoreDatabase
from backend.store.images import ImageFolder
from backend.store.unused_images import remove_unused

_TABLES = (
    "class_changes",
    "labels",
    "pool",
    "training_runs",
    "decisions",
    "kept_versions",
    "training_settings",
)
_DELETED = ".deleted-"
"""Prefix of the token that stands in place of the name of a deleted model; no name of a model
begins with it."""


class ModelRows:
    """Labels, training runs, decisions and settings by the model that they belong to."""

    def __init__(self, database: StoreDatabase, images: ImageFolder) -> None:
        self._database = database
        self._images = images

    async def rename(self, model: str, new: str) -> None:
        """Let everything of `model` belong to `new`, and remember the former name."""

        def work(connection: StoreConnection) -> None:
            _move(connection, model, new)
            connection.execute("DELETE FROM renamed_models WHERE old = ?", (new,))
            connection.execute("UPDATE renamed_models SET new = ? WHERE new = ?", (new, model))
            connection.execute(
                "INSERT INTO renamed_models (old, new) VALUES (?, ?)"
                " ON CONFLICT (old) DO UPDATE SET new = excluded.new",
                (model, new),
            )

        await self._database.transaction(work)

    async def renamed_to(self, name: str) -> str | None:
        """Return what the model that was called `name` is called now, if one was."""
        return await self._database.snapshot(lambda connection: renamed_to(connection, name))

    async def begin(self, *models: str) -> None:
        """Let names stand for models that have them now, not for one that was renamed."""

        def work(connection: StoreConnection) -> None:
            connection.executemany(
                "DELETE FROM renamed_models WHERE old = ?", [(model,) for model in models]
            )

        await self._database.transaction(work)

    async def copy(self, model: str, new: str) -> None:
        """Give `new`, which has nothing yet, the labels and the history of `model`.

        What `model` has learned from counts as learned from in `new`.
        """

        def work(connection: StoreConnection) -> None:
            copied = _copy_labels(connection, model, new)
            connection.execute(
                "INSERT INTO pool (model, image, created, bytes, backbone)"
                " SELECT ?, image, created, bytes, backbone FROM pool WHERE model = ?"
                " ORDER BY number",
                (new, model),
            )
            runs = connection.execute(
                "SELECT * FROM training_runs WHERE model = ? AND finished IS NOT NULL"
                " ORDER BY number",
                (model,),
            ).fetchall()
            run_ids: dict[str, str] = {}
            for run in runs:
                values = dict(run)
                del values["number"]
                # An id begins with the time of the run; its end only makes it unique.
                new_id = f"{run['id'].rpartition('-')[0]}-{secrets.token_hex(4)}"
                run_ids[run["id"]] = new_id
                learned = [copy for label, copy in copied if label <= run["last_label"]]
                values.update(id=new_id, model=new, last_label=max(learned, default=0))
                _insert(connection, "training_runs", values)
            decisions = connection.execute(
                "SELECT * FROM decisions WHERE model = ? ORDER BY id", (model,)
            ).fetchall()
            for row in decisions:
                values = dict(row)
                del values["id"]
                values.update(model=new, training_run=run_ids.get(row["training_run"]))
                _insert(connection, "decisions", values)
            connection.execute(
                "INSERT INTO kept_versions (model, version, created, author, what)"
                " SELECT ?, version, created, author, what FROM kept_versions WHERE model = ?"
                " ORDER BY id",
                (new, model),
            )
            for row in connection.execute(
                "SELECT * FROM training_settings WHERE model = ?", (model,)
            ).fetchall():
                _insert(connection, "training_settings", {**dict(row), "model": new})

        await self._database.transaction(work)

    async def set_aside(self, model: str, token: str) -> None:
        """Hide everything of a deleted model until `bring_back` or `purge`."""
        await self._database.transaction(
            lambda connection: _move(connection, model, _DELETED + token)
        )

    async def bring_back(self, token: str, model: str) -> None:
        """Undo `set_aside`."""
        await self._database.transaction(
            lambda connection: _move(connection, _DELETED + token, model)
        )

    async def purge(self) -> None:
        """Remove everything of every deleted model, and images that only it referred to.

        To be called while nothing is added: a new label's image is on disk a moment
        before the label is.
        """

        def work(connection: StoreConnection) -> None:
            deleted = f"{_DELETED}%"
            images = connection.execute(
                "SELECT image FROM labels WHERE model LIKE :deleted"
                " UNION SELECT image FROM pool WHERE model LIKE :deleted",
                {"deleted": deleted},
            ).fetchall()
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table} WHERE model LIKE ?", (deleted,))
            connection.execute(
                "DELETE FROM class_change_labels WHERE change NOT IN (SELECT id FROM class_changes)"
            )
            # After a crash before the commit, the rows still say what to remove.
            remove_unused(connection, self._images, [row["image"] for row in images])

        await self._database.transaction(work)


def renamed_to(connection: StoreConnection, name: str) -> str | None:
    """Return what the model that was called `name` is called now, if one was."""
    for row in connection.execute("SELECT new FROM renamed_models WHERE old = ?", (name,)):
        return str(row["new"])
    return None


def _insert(connection: StoreConnection, table: str, values: Mapping[str, Any]) -> None:
    connection.execute(
        f"INSERT INTO {table} ({', '.join(values)})"
        f" VALUES ({', '.join(f':{name}' for name in values)})",
        values,
    )


def _move(connection: StoreConnection, model: str, new: str) -> None:
    for table in _TABLES:
        connection.execute(f"UPDATE {table} SET model = ? WHERE model = ?", (new, model))


def _copy_labels(connection: StoreConnection, model: str, new: str) -> list[tuple[int, int]]:
    """Copy every label; returns the ids of each and of its copy, in the order of both."""
    labels = connection.execute(
        "SELECT * FROM labels WHERE model = ? ORDER BY id", (model,)
    ).fetchall()
    copies: dict[int, int] = {}
    for label in labels:
        values = dict(label)
        # Its idempotency key stays with the original.
        del values["id"], values["idempotency_key"]
        row = connection.execute(
            f"INSERT INTO labels ({', '.join(values)})"
            f" VALUES ({', '.join(f':{name}' for name in values)}) RETURNING id",
            {**values, "model": new},
        ).fetchone()
        copies[label["id"]] = int(row["id"])
    # An action has the id of its first label.
    connection.executemany(
        "UPDATE labels SET action = ? WHERE id = ?",
        [(copies[label["action"]], copies[label["id"]]) for label in labels],
    )
    return list(copies.items())
