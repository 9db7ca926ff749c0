"""Removes images that something else may use, or remove, at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import docker.errors
from docker import APIClient

from serving.engines.docker.errors import CONFLICT


def remove_unused(client: APIClient, image: str) -> bool:
    """Remove an image or one of its names, and say so; one in use, or gone, is left as it is."""
    try:
        client.remove_image(image)
    except docker.errors.NotFound:
        return False
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:  # a container uses it, or another image is made of it
            raise
        return False
    return True


def remove_unnamed(client: APIClient, label: str, before: float | None = None) -> None:
    """Remove images with a label and without a name, made before a time in Unix seconds.

    One by one: an engine refuses a prune while another one runs, whoever asked for that.
    """
    rows: list[Mapping[str, Any]] = client.images(filters={"dangling": True, "label": label})
    for row in rows:
        if before is None or row["Created"] < before:
            remove_unused(client, row["Id"])
