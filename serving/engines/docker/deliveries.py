"""Keeps what instances read from volumes up to what is in the models' folders."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving.engines.docker import names
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.link import Link
from serving.engines.docker.model_volume import Contents, ModelVolume, deliver
from serving.engines.protocol import Instance
from serving.errors import EngineError
from serving.workspace import Workspace

log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0
"""Before trying again what did not work."""


class Deliveries:
    """New versions and promotions on their way into the volumes of one engine.

    Whoever lists instances sees to it, whichever program that is; the volumes
    let one write at a time, and the next finds that nothing is left to be done.
    """

    def __init__(self, link: Link, workspace: Workspace) -> None:
        self._link = link
        self._workspace = workspace
        self._going_on: dict[str, asyncio.Task[None]] = {}
        """By model, as are the next three."""
        self._done: dict[str, Mapping[str, str]] = {}
        self._again: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        self._engine: FoundEngine | None = None
        """Whose volumes were brought up to date."""

    def keep_up(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Begin to bring the volumes that these containers mount up to date, in the background."""
        mounted = _mounted(rows, self._workspace)
        for model in self._done.keys() - mounted.keys():
            self._done.pop(model, None)
            self._troubles.pop(model, None)
        for model, (volume, image) in mounted.items():
            before = self._going_on.get(model)
            if before is not None and not before.done():
                continue
            if time.monotonic() >= self._again.get(model, 0.0):
                self._going_on[model] = asyncio.create_task(self._bring(volume, image))

    def told(self, instances: Iterable[Instance]) -> list[Instance]:
        """Return the instances, with the reason where they cannot be kept up to date."""
        return [
            replace(each, failure=each.failure or self._troubles.get(each.model, ""))
            for each in instances
        ]

    async def close(self) -> None:
        """Return once nothing is going on any more; what has begun is not broken off."""
        await asyncio.gather(*self._going_on.values(), return_exceptions=True)

    async def _bring(self, volume: ModelVolume, image: str) -> None:
        try:
            await self._link.run(
                f"take the model {volume.model}", lambda found: self._deliver(found, volume, image)
            )
            self._troubles.pop(volume.model, None)
        except EngineError as error:
            self._again[volume.model] = time.monotonic() + AGAIN_SECONDS
            if self._troubles.get(volume.model) != error.what:
                log.warning("%s", error)
            self._troubles[volume.model] = error.what

    def _deliver(self, found: FoundEngine, volume: ModelVolume, image: str) -> None:
        if self._engine is not found:
            self._engine = found
            self._done.clear()
        if Contents.read(volume.folder).marks != self._done.get(volume.model):
            self._done[volume.model] = deliver(found.client, volume, image)


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
