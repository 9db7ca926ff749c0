"""The pool of a model: photos that were classified, for people to label and training to use."""

from __future__ import annotations

import asyncio

from backend.contract import PoolPhoto, PoolSummary
from backend.store.database import StoreConnection, StoreDatabase
from backend.store.images import ImageFolder
from backend.store.label_queries import POOL_PHOTO_IS_LABELLED, parameters
from backend.store.models import renamed_to
from backend.store.unused_images import remove_unused
from serving.clock import utc_now

MAX_UNLABELLED = 5_000
"""Photos in a model's pool that nobody labelled; beyond, the oldest go."""
MAX_UNLABELLED_BYTES = 2 * 2**30
"""Of those photos."""
_ROOM = 20
"""When photos go, a twentieth of the limits is made free, so that not every photo is counted."""


class PoolStore:
    """Photos by model, in the image folder; those that were labelled are never removed."""

    def __init__(self, database: StoreDatabase, images: ImageFolder) -> None:
        self._database = database
        self._images = images

    async def add(
        self,
        model: str,
        jpeg: bytes,
        backbone: str = "",
        *,
        max_photos: int = MAX_UNLABELLED,
        max_bytes: int = MAX_UNLABELLED_BYTES,
    ) -> PoolPhoto:
        """Store a normalized JPEG, which is the newest of the pool then.

        `backbone` is the hash of one whose embedding of it is in the cache; empty for none.
        The oldest unlabelled photos beyond the limits are removed, with their files unless
        another pool or any label refers to them.
        """
        image = await asyncio.to_thread(self._images.put, jpeg)

        def work(connection: StoreConnection) -> PoolPhoto:
            # It may have been removed from the pool in between.
            if self._images.find(image) is None:
                self._images.put(jpeg)
            now = renamed_to(connection, model) or model
            before = connection.execute(
                "DELETE FROM pool WHERE model = ? AND image = ? RETURNING backbone", (now, image)
            ).fetchone()
            embedded = backbone or (before["backbone"] if before is not None else "")
            connection.execute(
                "INSERT INTO pool (model, image, created, bytes, backbone) VALUES (?, ?, ?, ?, ?)",
                (now, image, utc_now(), len(jpeg), embedded),
            )
            self._remove_oldest(connection, now, max_photos, max_bytes)
            return PoolPhoto(image, added=before is None)

        return await self._database.transaction(work)

    def _remove_oldest(
        self, connection: StoreConnection, model: str, max_photos: int, max_bytes: int
    ) -> None:
        photos, size = connection.execute(
            "SELECT COUNT(*), CAST(SUM(bytes) AS BIGINT) FROM pool WHERE model = ?", (model,)
        ).fetchone()
        if photos <= max_photos and size <= max_bytes:
            return
        rows = connection.execute(
            f"SELECT number, image, bytes FROM pool WHERE model = :model"
            f" AND NOT {POOL_PHOTO_IS_LABELLED} ORDER BY number",
            parameters(model),
        ).fetchall()
        photos, size = len(rows), sum(row["bytes"] for row in rows)
        if photos <= max_photos and size <= max_bytes:
            return
        for row in rows[:-1]:
            if (
                photos <= max_photos - max_photos // _ROOM
                and size <= max_bytes - max_bytes // _ROOM
            ):
                break
            connection.execute("DELETE FROM pool WHERE number = ?", (row["number"],))
            remove_unused(connection, self._images, [row["image"]])
            photos, size = photos - 1, size - row["bytes"]

    async def backbone_of(self, model: str, image: str) -> str:
        """Return the hash of the backbone whose embedding of a pool photo is in the cache."""
        rows = await self._database.execute(
            "SELECT backbone FROM pool WHERE model = ? AND image = ?", (model, image)
        )
        return str(rows[0]["backbone"]) if rows else ""

    async def unlabelled(self, model: str) -> list[str]:
        """Return the hashes of the photos that nobody labelled, the newest first."""
        rows = await self._database.execute(
            f"SELECT image FROM pool WHERE model = :model AND NOT {POOL_PHOTO_IS_LABELLED}"
            " ORDER BY number DESC",
            parameters(model),
        )
        return [row["image"] for row in rows]

    async def all_images(self) -> frozenset[str]:
        """Return the hashes of all photos that a label or a pool refers to, of every model."""
        rows = await self._database.execute("SELECT image FROM labels UNION SELECT image FROM pool")
        return frozenset(row["image"] for row in rows)

    async def summary(self, model: str) -> PoolSummary:
        """Count the photos of the pool."""
        (row,) = await self._database.execute(
            f"SELECT COUNT(*), COUNT(*) FILTER (WHERE NOT {POOL_PHOTO_IS_LABELLED}) FROM pool"
            " WHERE model = :model",
            parameters(model),
        )
        return PoolSummary(photos=row[0], unlabelled=row[1], model=model)
