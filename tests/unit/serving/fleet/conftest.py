from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.unit.serving.fleet.ground import Ground, ground_on


@pytest.fixture
async def ground(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ground]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    async with ground_on(workspace) as made:
        yield made
