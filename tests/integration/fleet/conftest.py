from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serving.engines.process import ProcessEngine
from serving.workspace import Workspace
from tests.support.fleet_env import FleetEnv, TinyFleet, open_fleet_env, open_tiny_fleet


@pytest.fixture
async def tiny(workspace: Workspace) -> AsyncIterator[TinyFleet]:
    async with open_tiny_fleet(workspace, ProcessEngine(workspace)) as made:
        yield made


@pytest.fixture
async def fleet_env(workspace: Workspace) -> AsyncIterator[FleetEnv]:
    async with open_fleet_env(workspace) as made:
        yield made
