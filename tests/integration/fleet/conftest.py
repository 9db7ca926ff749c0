from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest

from serving.background import in_background
from serving.engines.process import ProcessEngine
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository, Version
from serving.models.starter.install import STARTER_MODEL, install_starter
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.fleet_env import FleetEnv, open_fleet_env


class StarterFleet:
    """A fleet of our own model server with the starter model, kept by `run`."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.repository = ModelRepository(workspace.models)
        install_starter(self.repository)
        self.engine = ProcessEngine(workspace)
        self.client = PredictClient(STARTER_MODEL)
        self.fleet = Fleet(STARTER_MODEL, self.engine, self.repository, workspace, self.client)

    def process(self, index: int) -> int:
        """Process id of an instance, the oldest first."""
        number = self.fleet.view.instances[index].instance.process
        assert number is not None
        return number

    def next_version(self) -> Version:
        """Add a version that is a copy of the live one."""
        with self.repository.staged(STARTER_MODEL) as staged:
            shutil.copytree(self.repository.live(STARTER_MODEL).path, staged, dirs_exist_ok=True)
            return self.repository.adopt(STARTER_MODEL, staged)


@pytest.fixture
async def starter(workspace: Workspace) -> AsyncIterator[StarterFleet]:
    made = StarterFleet(workspace)
    async with in_background(made.fleet.run()):
        yield made
    for instance in await made.engine.instances():
        await made.engine.stop(instance.id, grace=2)
    await made.client.close()


@pytest.fixture
async def fleet_env(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FleetEnv]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    async with open_fleet_env(workspace) as made:
        yield made
