"""A workspace whose fleets run in containers of a real engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import docker

from serving.background import in_background
from serving.engines.docker import names
from serving.engines.docker.endpoints import DockerEndpoint
from serving.engines.docker.engine import DockerEngine
from serving.engines.protocol import InstanceState
from serving.fleet.fleet import Fleet, FleetView, InstanceView
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.support.waiting import wait_for_view

MODEL = "pets"
READY_SECONDS = 60.0
"""A container that starts on a busy machine takes its time."""


class DockerEnv:
    """A workspace with a model of three versions, the first live, and a fleet on it.

    `api` acts as another program.
    """

    def __init__(
        self,
        workspace: Workspace,
        image: str,
        api: docker.APIClient,
        candidates: Sequence[DockerEndpoint] | None = None,
        timeout: float = 20,
    ) -> None:
        self.workspace = workspace
        self.image = image
        self.api = api
        self.engine = DockerEngine(workspace, [image], candidates)
        self.repository = ModelRepository(workspace.models)
        self.client = PredictClient(self.repository.served, timeout=timeout)
        self.fleet = Fleet(
            self.engine, self.repository, workspace, self.client, trial=_accept_version
        )
        for number in (1, 2, 3):
            folder = workspace.models / MODEL / str(number)
            folder.mkdir(parents=True)
            (folder / "saved_model.pb").touch()
        self.repository.promote(MODEL, 1)

    def configure(self, **settings: Any) -> None:
        (self.workspace.models / "fake_server.json").write_text(json.dumps(settings))

    def containers(self) -> list[dict[str, Any]]:
        """Every container of the workspace, as the engine lists it."""
        label = f"{names.WORKSPACE}={names.workspace_id(self.workspace)}"
        found: list[dict[str, Any]] = self.api.containers(all=True, filters={"label": [label]})
        return found

    def container(self, instance_id: str) -> str:
        """The container's id."""
        (found,) = (
            row["Id"] for row in self.containers() if row["Labels"][names.INSTANCE] == instance_id
        )
        return str(found)

    async def wait_for_view(
        self, condition: Callable[[FleetView], bool], seconds: float = READY_SECONDS
    ) -> FleetView:
        return await wait_for_view(self.fleet, condition, seconds)

    def running(self) -> AbstractAsyncContextManager[object]:
        """`fleet.run()` in the background."""
        return in_background(self.fleet.run())

    def watching(self) -> AbstractAsyncContextManager[object]:
        """`fleet.watch()` in the background: nothing is changed."""
        return in_background(self.fleet.watch())

    async def close(self) -> None:
        for row in await asyncio.to_thread(self.containers):
            await asyncio.to_thread(self.api.remove_container, row["Id"], v=True, force=True)
        await self.client.close()
        await self.engine.close()


async def _accept_version(version: Version, memory_limit: int) -> None:
    """Versions here have no graph; the fake server serves them all."""


def view_of(view: FleetView, instance_id: str) -> InstanceView | None:
    """The instance in a view; None if it is not there."""
    found = [each for each in view.instances if each.instance.id == instance_id]
    return found[0] if found else None


def has_failed(instance_id: str, *words: str) -> Callable[[FleetView], bool]:
    """Whether a view shows the instance as failed, with these words in the reason."""

    def check(view: FleetView) -> bool:
        each = view_of(view, instance_id)
        return (
            each is not None
            and each.state is InstanceState.FAILED
            and all(word in each.instance.failure for word in words)
        )

    return check


def ids(view: FleetView) -> list[str]:
    return [each.instance.id for each in view.instances]
