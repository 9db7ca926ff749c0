from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.fleet_env import FleetEnv, open_fleet_env


@pytest.fixture
async def fleet_env(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FleetEnv]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    async with open_fleet_env(workspace) as made:
        yield made
