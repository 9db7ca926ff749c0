"""Keeps the volume of the models equal to their folder."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.model_volume import ModelFiles, ModelVolume, upload
from serving.engines.protocol import Instance
from serving.errors import EngineError
from serving.workspace import Workspace

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Before an upload that failed is tried again."""


class VolumeSync:
    """Uploads newly served models, new versions and promotions to the volume of one engine.

    Every program that lists instances does this; the volume allows one writer at
    a time, and the next finds it up to date.
    """

    def __init__(self, connection: EngineConnection, workspace: Workspace) -> None:
        self._connection = connection
        self._workspace = workspace
        self._task: asyncio.Task[None] | None = None
        self._synced: Mapping[str, str] = {}
        """The marks of what the volume holds."""
        self._retry_at = 0.0
        self._error = ""
        self._engine: FoundEngine | None = None
        """The engine that `_synced` is about."""

    def sync(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Start an upload to the volume that these containers mount, in the background."""
        mounted = _mounted(rows, self._workspace)
        if mounted is None:
            self._synced, self._error = {}, ""
        elif (self._task is None or self._task.done()) and time.monotonic() >= self._retry_at:
            self._task = asyncio.create_task(self._sync(*mounted))

    def with_failures(self, instances: Iterable[Instance]) -> list[Instance]:
        """Return the instances, with the reason if they cannot be kept up to date."""
        return [replace(each, failure=each.failure or self._error) for each in instances]

    async def close(self) -> None:
        """Wait for an upload that runs: one that is cancelled would leave its writer behind."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _sync(self, volume: ModelVolume, image: str) -> None:
        try:
            await self._connection.run(
                "receive the models", lambda found: self._upload(found, volume, image)
            )
            self._error = ""
        except EngineError as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if self._error != error.what:  # once, not at every retry
                log.warning("%s", error)
            self._error = error.what

    def _upload(self, found: FoundEngine, volume: ModelVolume, image: str) -> None:
        # An engine that was found again may have lost its volume.
        if self._engine is not found:
            self._engine = found
            self._synced = {}
        if not ModelFiles.read(volume.folder).are_in(self._synced):
            self._synced = upload(found.client, volume, image)


def _mounted(
    rows: Iterable[Mapping[str, Any]], workspace: Workspace
) -> tuple[ModelVolume, str] | None:
    """Return the volume that containers mount, and an image of the engine."""
    for row in rows:
        for mount in row.get("Mounts") or ():
            volume = ModelVolume(workspace, Path(str(mount.get("Destination"))))
            if mount.get("Type") == "volume" and mount.get("Name") == volume.name:
                return volume, str(row["ImageID"])
    return None
