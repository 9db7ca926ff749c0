"""Changes which models the instances of one fleet load."""

from __future__ import annotations

from serving.fleet.fleet import Fleet
from serving.fleet.switch_model import serve_model, unserve_model, use_model
from serving.models.repository import ModelRepository
from serving.models.version import Version


class FleetSwitch:
    """The switch of the fleet that this backend watches; no request fails meanwhile."""

    def __init__(self, fleet: Fleet, repository: ModelRepository) -> None:
        self._fleet = fleet
        self._repository = repository

    async def try_version(self, version: Version) -> None:
        """Raise UnusableVersion, with the reason, if no instance could serve a version."""
        await self._fleet.try_version(version)

    async def use(self, model: str) -> None:
        """Make a model the current one, once every instance has loaded it."""
        await use_model(self._fleet, self._repository, model)

    async def serve(self, model: str) -> None:
        """Keep a model loaded beside the current one; returns once it is."""
        await serve_model(self._fleet, self._repository, model)

    async def unserve(self, model: str) -> None:
        """Let the instances unload a model that is not the current one."""
        await unserve_model(self._fleet, self._repository, model)
