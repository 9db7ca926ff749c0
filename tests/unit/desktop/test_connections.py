from __future__ import annotations

import pytest

from desktop.commands.connections import open_fleet
from serving.engines.process import ProcessEngine
from serving.engines.protocol import Engine
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.tiny_model import install_tiny


class RecordingEngine(ProcessEngine):
    closed = False

    async def close(self) -> None:
        self.closed = True
        await super().close()


async def test_a_command_closes_the_engine_that_it_opened(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = RecordingEngine(workspace)

    async def choose(name: str, workspace: Workspace) -> Engine:
        return engine

    monkeypatch.setattr("desktop.commands.connections.choose_engine", choose)
    install_tiny(ModelRepository(workspace.models))
    async with open_fleet(workspace, "process"):
        assert not engine.closed
    assert engine.closed
