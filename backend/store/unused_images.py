"""Removes the files of photos that nothing refers to any more."""

from __future__ import annotations

from collections.abc import Iterable

from backend.store.database import StoreConnection
from backend.store.images import ImageFolder


def remove_unused(connection: StoreConnection, images: ImageFolder, hashes: Iterable[str]) -> None:
    """Remove the files of images that no label and no pool refers to.

    To be called in the transaction that removes what referred to them: what adds a label
    looks in its own transaction whether the file is there.
    """
    for image in hashes:
        used = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM labels WHERE image = :image)"
            " OR EXISTS (SELECT 1 FROM pool WHERE image = :image)",
            {"image": image},
        ).fetchone()[0]
        if not used:
            images.path(image).unlink(missing_ok=True)
