"""Keeps the volumes of models equal to their folders."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving.engines.docker import names
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
    """Uploads new versions and promotions to the volumes of one engine.

    Every program that lists instances does this; the volumes allow one writer at
    a time, and the next finds them up to date.
    """

    def __init__(self, connection: EngineConnection, workspace: Workspace) -> None:
        self._connection = connection
        self._workspace = workspace
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """By model, like the next three."""
        self._synced: dict[str, Mapping[str, str]] = {}
        self._retry_at: dict[str, float] = {}
        self._errors: dict[str, str] = {}
        self._engine: FoundEngine | None = None
        """The engine that `_synced` is about."""

    def sync(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Start uploads to the volumes that these containers mount, in the background."""
        mounted = _mounted(rows, self._workspace)
        for model in self._synced.keys() - mounted.keys():
            self._synced.pop(model, None)
            self._errors.pop(model, None)
        for model, (volume, image) in mounted.items():
            task = self._tasks.get(model)
            busy = task is not None and not task.done()
            if not busy and time.monotonic() >= self._retry_at.get(model, 0.0):
                self._tasks[model] = asyncio.create_task(self._sync(volume, image))

    def with_failures(self, instances: Iterable[Instance]) -> list[Instance]:
        """Return the instances, with the reason if they cannot be kept up to date."""
        return [
            replace(each, failure=each.failure or self._errors.get(each.model, ""))
            for each in instances
        ]

    async def close(self) -> None:
        """Wait for the uploads that run: one that is cancelled would leave its writer behind."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _sync(self, volume: ModelVolume, image: str) -> None:
        try:
            await self._connection.run(
                f"receive the model {volume.model}",
                lambda found: self._upload(found, volume, image),
            )
            self._errors.pop(volume.model, None)
        except EngineError as error:
            self._retry_at[volume.model] = time.monotonic() + RETRY_SECONDS
            if self._errors.get(volume.model) != error.what:  # once, not at every retry
                log.warning("%s", error)
            self._errors[volume.model] = error.what

    def _upload(self, found: FoundEngine, volume: ModelVolume, image: str) -> None:
        # An engine that was found again may have lost its volumes.
        if self._engine is not found:
            self._engine = found
            self._synced.clear()
        if ModelFiles.read(volume.folder).marks != self._synced.get(volume.model):
            self._synced[volume.model] = upload(found.client, volume, image)


def _mounted(
    rows: Iterable[Mapping[str, Any]], workspace: Workspace
) -> dict[str, tuple[ModelVolume, str]]:
    """Return the volumes that containers mount, and an image of the engine, by model."""
    found = {}
    for row in rows:
        model = str((row.get("Labels") or {}).get(names.MODEL, ""))
        for mount in row.get("Mounts") or ():
            volume = ModelVolume(workspace, model, Path(str(mount.get("Destination"))))
            if mount.get("Type") == "volume" and mount.get("Name") == volume.name:
                found[model] = (volume, str(row["ImageID"]))
    return found
