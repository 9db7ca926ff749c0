"""Which images of an engine have the Python that our own image needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import docker.errors
from docker import APIClient

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.errors import ignore_removed
from serving.engines.docker.image.base_python import PYTHON

PROGRAMS = (f"/usr/bin/{PYTHON}", f"/usr/local/bin/{PYTHON}")
MAX_IMAGES = 20
"""Images that are looked into; each takes a fraction of a second."""
_LOOKED_INTO = "io.servery.looked-into"
"""Label of a container that never runs but is what an image is looked into through."""
_OLD_SECONDS = 600
"""Older containers of that kind are left over from killed programs."""


async def images_with_python(connection: EngineConnection) -> list[str]:
    """Return the names of images in which PYTHON is, the newest first; raises EngineError.

    Those that hold a model, or are our own image already, are left out.
    """

    def look(found: FoundEngine) -> list[str]:
        _remove_old(found.client)
        rows: list[Mapping[str, Any]] = found.client.images()
        rows.sort(key=lambda row: int(row["Created"]), reverse=True)
        names = [
            tags[0]
            for row in rows
            if (tags := [tag for tag in row.get("RepoTags") or () if "<none>" not in tag])
            and not any(label.startswith("io.servery.") for label in row.get("Labels") or {})
        ]
        return [name for name in names[:MAX_IMAGES] if _has_python(found.client, name)]

    return await connection.run("look into its images", look)


def _has_python(client: APIClient, image: str) -> bool:
    create: Callable[..., Mapping[str, str]] = client.create_container_from_config
    config = {"Image": image, "Cmd": [PYTHON], "Labels": {_LOOKED_INTO: "1"}}
    try:
        container = create(config)["Id"]
    except docker.errors.APIError:  # it is being removed, or of another platform
        return False
    try:
        # The API answers a HEAD of an archive with the file's status.
        url = f"{client.base_url}/v{client.api_version}/containers/{container}/archive"
        return any(
            client.head(url, params={"path": path}, timeout=client.timeout).ok for path in PROGRAMS
        )
    finally:
        with ignore_removed():
            client.remove_container(container, v=True)


def _remove_old(client: APIClient) -> None:
    for row in client.containers(all=True, filters={"label": _LOOKED_INTO}):
        if time.time() - int(row["Created"]) > _OLD_SECONDS:
            with ignore_removed():
                client.remove_container(str(row["Id"]), v=True)
