"""The table of who pinned, unpinned and deleted versions."""

from __future__ import annotations

from dataclasses import dataclass

from backend.contract import AuditAction
from backend.store.database import StoreDatabase
from serving.clock import utc_now


@dataclass(frozen=True)
class KeptVersion:
    """What a person did so that a version is kept, or is not."""

    version: int
    created: str
    by: str
    what: AuditAction


class KeptVersionStore:
    """Everything of that kind that people ever did."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def record(self, model: str, version: int, what: AuditAction, by: str) -> None:
        """Write down that a version was pinned, unpinned or deleted."""
        await self._database.execute(
            "INSERT INTO kept_versions (model, version, created, author, what)"
            " VALUES (?, ?, ?, ?, ?)",
            (model, version, utc_now(), by, what),
        )

    async def all(self, model: str) -> list[KeptVersion]:
        """Return what was done to the versions of a model, newest first."""
        rows = await self._database.execute(
            "SELECT * FROM kept_versions WHERE model = ? ORDER BY id DESC", (model,)
        )
        return [
            KeptVersion(row["version"], row["created"], row["author"], AuditAction(row["what"]))
            for row in rows
        ]
