"""Removes old images of models, and what was replaced or left of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.errors import ignore_removed
from serving.engines.docker.image.remove import remove_unused
from serving.engines.docker.model_image.labels import MODEL, TAG, WORKSPACE


async def prune_images(
    connection: EngineConnection,
    workspace_id: str,
    model: str,
    keep: int,
    protected: Collection[str] = (),
) -> list[str]:
    """Remove all but the newest `keep` images of a model of one workspace; return their names.

    One stays that a container uses, running or not, that a person gave another name, or that is
    `protected` by its name. Raises EngineError.
    """

    def prune(found: FoundEngine) -> list[str]:
        labels = [f"{WORKSPACE}={workspace_id}", f"{MODEL}={model}"]
        rows: list[Mapping[str, Any]] = found.client.images(filters={"label": labels})
        used = {str(row["ImageID"]) for row in found.client.containers(all=True)}
        named = [row for row in rows if _tags(row)]
        named.sort(key=lambda row: int(row["Created"]), reverse=True)
        removed = []
        for row in (*named[keep:], *(row for row in rows if not _tags(row))):
            tags = _tags(row)
            is_ours = set(tags) <= {str((row.get("Labels") or {}).get(TAG))}
            if is_ours and row["Id"] not in used and not set(protected) & set(tags):
                removed += [
                    name for name in tags or [str(row["Id"])] if remove_unused(found.client, name)
                ]
        return removed

    return await connection.run("remove old images", prune)


async def remove_replaced(connection: EngineConnection, image: str) -> None:
    """Remove an image that its name no longer leads to, unless something uses it."""

    def remove(found: FoundEngine) -> None:
        inspect: Callable[[str], Mapping[str, Any]] = found.client.inspect_image
        with ignore_removed():
            inspected = inspect(image)
            if not inspected.get("RepoTags"):
                remove_unused(found.client, image)

    await connection.run("remove the image that was replaced", remove)


def _tags(row: Mapping[str, Any]) -> list[str]:
    """Return the names of an image in a list; engines list one without a name as `<none>`."""
    return [tag for tag in row.get("RepoTags") or () if not tag.startswith("<none>")]
