"""The engines that a fleet can run on: their images, and the move from one to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from desktop.translation import tr
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.image.build import build
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.image.store import ImageStore
from serving.engines.names import AUTO, PROCESS, SWARM
from serving.engines.process import ProcessEngine
from serving.engines.protocol import Engine
from serving.engines.swarm.engine import SwarmEngine
from serving.engines.swarm.nodes import SwarmNodes
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

    `engine_setting` returns what the settings ask for: auto, docker, process or swarm.
    """

    def __init__(
        self,
        fleet: Fleet,
        switch: EngineSwitch,
        docker: DockerEngine,
        process: ProcessEngine,
        swarm: SwarmEngine,
        engine_setting: Callable[[], str],
    ) -> None:
        self._fleet = fleet
        self._switch = switch
        self._docker = docker
        self._process = process
        self._swarm = swarm
        self._engine_setting = engine_setting

    @property
    def in_containers(self) -> bool:
        """Whether instances are started in containers."""
        return self._switch.current.name != self._process.name

    @property
    def nodes(self) -> SwarmNodes:
        """The swarm of the container engine that is chosen."""
        return SwarmNodes(self._docker.connection)

    async def follow_choice(self) -> None:
        """Use the container engine that a person chose for the workspace meanwhile, if any did.

        Instances that run on the former one run on, until they are moved.
        """
        docker, swarm = self._docker.at_chosen_address(), self._swarm.at_chosen_address()
        if docker is None or swarm is None:
            return
        former = (self._docker, self._swarm)
        self._docker, self._swarm = docker, swarm
        current = self._switch.current
        view = self._fleet.view
        if current in former and not view.desired_count and not view.instances:
            self._switch.switch_to(self._target())
        await self._release([*former, *await self._switch.release_idle()])

    async def suggest(self) -> EngineSuggestion | None:
        """Say what can be done about the engine now. Takes 3 s at most; never raises."""
        await self.follow_choice()
        target, current = self._target(), self._switch.current
        if target is self._process:
            return _TO_PROCESSES if self.in_containers else None
        if target is self._swarm:
            if current is target or not (await target.availability()).usable:
                return None
            return _TO_SWARM
        image = self._fleet.limits.image
        try:
            found = await self._docker.images.find([image] if image else self._docker.image_names)
            if found is None:
                return EngineSuggestion(
                    EngineAction.GET_IMAGE,
                    tr("Containers need an image"),
                    tr(
                        "The container engine answers, but it does not have"
                        " {image} to run instances from.",
                        image=image,
                    )
                    if image
                    else tr(
                        "The container engine answers, but it does not have"
                        " an image to run instances from."
                    ),
                )
        except EngineError:
            return None
        if current is target:
            return None
        if self.in_containers:
            return EngineSuggestion(
                EngineAction.MOVE,
                tr("Instances still run on another engine"),
                tr(
                    "You chose {address}, which has the image {image}.",
                    address=self._docker.address,
                    image=found.name,
                )
                + f" {_NO_PHOTO_FAILS}",
            )
        return EngineSuggestion(
            EngineAction.MOVE,
            tr("Instances can run in containers"),
            tr("The container engine has the image {image}.", image=found.name)
            + f" {_NO_PHOTO_FAILS}",
        )

    @property
    def image_store(self) -> ImageStore:
        """The images of the engine with containers."""
        return self._docker.images

    async def images(self) -> list[ImageInfo]:
        """Return the serving images that the engine has, those of models last.

        None if it does not answer.
        """
        try:
            names = [*self._docker.image_names, *await self._docker.model_images()]
            found = [await self._docker.images.find([name]) for name in names]
        except EngineError:
            return []
        return [image for image in found if image is not None]

    async def default_limits(self) -> tuple[int, int]:
        """Return what the engine's own `default_limits` does; (0, 0) if no engine answers."""
        try:
            if self._switch.current is self._swarm:
                return await self._swarm.default_limits()
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
            await self._release(await self._switch.release_idle())

    async def close(self) -> None:
        """Let go of every engine; instances run on."""
        await self._switch.close()
        for engine in (self._docker, self._process, self._swarm):
            await engine.close()

    async def _release(self, engines: Sequence[Engine]) -> None:
        """Close former engines, but for those that instances can move to again."""
        for engine in engines:
            if engine not in (self._docker, self._process, self._swarm, *self._switch.engines):
                await engine.close()

    def _target(self) -> Engine:
        setting = self._engine_setting()
        if setting == AUTO and self._switch.current.name == self._swarm.name:
            return self._swarm  # where the instances run already
        named: dict[str, Engine] = {PROCESS: self._process, SWARM: self._swarm}
        return named.get(setting, self._docker)


_NO_PHOTO_FAILS = tr("Each instance is replaced once its successor is ready, so no photo fails.")
_TO_PROCESSES = EngineSuggestion(
    EngineAction.MOVE,
    tr("Instances still run in containers"),
    f"{tr('The settings ask for processes.')} {_NO_PHOTO_FAILS}",
)
_TO_SWARM = EngineSuggestion(
    EngineAction.MOVE,
    tr("Instances can run on the swarm"),
    f"{tr('The settings ask for the swarm.')} {_NO_PHOTO_FAILS}",
)
