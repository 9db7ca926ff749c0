"""The engines that a fleet can run on: their images, and the move from one to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.image.build import build
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.process import ProcessEngine
from serving.engines.protocol import Engine
from serving.engines.switch import EngineSwitch
from serving.errors import EngineError
from serving.fleet.fleet import Fleet
from serving.progress import Report


class EngineAction(Enum):
    """What a person could do about the engine now; the values are kept in the settings."""

    GET_IMAGE = "get an image"
    """The engine of the settings answers, but has no image to run."""
    MOVE = "move"
    """The instances run on another engine than the one of the settings."""


@dataclass(frozen=True)
class EngineSuggestion:
    """An action, and why it is suggested, as a sentence."""

    action: EngineAction
    heading: str
    sentence: str


class FleetEngines:
    """The engines of one fleet, and the images of the one with containers.

    `engine_setting` returns what the settings ask for: auto, docker or process.
    """

    def __init__(
        self,
        fleet: Fleet,
        switch: EngineSwitch,
        docker: DockerEngine,
        process: ProcessEngine,
        engine_setting: Callable[[], str],
    ) -> None:
        self._fleet = fleet
        self._switch = switch
        self._docker = docker
        self._process = process
        self._engine_setting = engine_setting

    @property
    def in_containers(self) -> bool:
        """Whether instances are started in containers."""
        return self._switch.current is self._docker

    async def suggest(self) -> EngineSuggestion | None:
        """Say what can be done about the engine now. Takes 3 s at most; never raises."""
        if self._target() is self._process:
            return _TO_PROCESSES if self.in_containers else None
        image = self._fleet.limits.image
        try:
            found = await self._docker.images.find([image] if image else self._docker.image_names)
            if found is None:
                return EngineSuggestion(
                    EngineAction.GET_IMAGE,
                    "Containers need an image",
                    f"The container engine answers, but it does not have {image or 'an image'} to"
                    " run instances from.",
                )
        except EngineError:
            return None
        if self.in_containers:
            return None
        return EngineSuggestion(
            EngineAction.MOVE,
            "Instances can run in containers",
            f"The container engine has the image {found.name}. {_NO_PHOTO_FAILS}",
        )

    async def images(self) -> list[ImageInfo]:
        """Return the serving images that the engine has; none if it does not answer."""
        try:
            found = [await self._docker.images.find([name]) for name in self._docker.image_names]
        except EngineError:
            return []
        return [image for image in found if image is not None]

    async def default_limits(self) -> tuple[int, int]:
        """Return what `DockerEngine.default_limits` does; (0, 0) if no engine answers."""
        try:
            return await self._docker.default_limits()
        except EngineError:
            return 0, 0

    async def pull(self, name: str, report: Report) -> str:
        """Pull an image from its registry and have instances run from it; raises EngineError."""
        image = await self._docker.images.pull(name, report)
        await self._run_from(image.name)
        return image.name

    async def load(self, path: Path, report: Report) -> str:
        """Load what `docker save` wrote and have instances run from it; raises EngineError."""
        names = await self._docker.images.load(path, report)
        name = next((name for name in names if name in self._docker.image_names), names[0])
        await self._run_from(name)
        return name

    async def _run_from(self, image: str) -> None:
        """Set the image of the fleet, unless it is one that the engine finds without that."""
        if image not in self._docker.image_names:
            await self._fleet.set_limits(replace(self._fleet.limits, image=image))

    async def build(self, report: Report) -> str:
        """Build our own image from what is installed here; raises EngineError."""
        return (await build(self._docker.images, report=report)).name

    async def move(self, report: Report) -> None:
        """Replace every instance, one after another, by one on the engine of the settings.

        Raises EngineError if an instance does not start there. Then, and if the move is
        cancelled, the fleet goes on as before; instances that have moved stay there.
        """
        before = self._switch.current
        self._switch.switch_to(self._target())
        try:
            await self._fleet.rolling_restart(report)
        except BaseException:  # a cancelled move goes back too
            self._switch.switch_to(before)
            raise
        finally:
            await self._switch.release_idle()

    async def close(self) -> None:
        """Let go of both engines; instances run on."""
        await self._docker.close()
        await self._process.close()

    def _target(self) -> Engine:
        return self._process if self._engine_setting() == self._process.name else self._docker


_NO_PHOTO_FAILS = "Each instance is replaced once its successor is ready, so no photo fails."
_TO_PROCESSES = EngineSuggestion(
    EngineAction.MOVE,
    "Instances still run in containers",
    f"The settings ask for processes. {_NO_PHOTO_FAILS}",
)
