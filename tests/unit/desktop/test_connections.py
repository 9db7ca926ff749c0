from __future__ import annotations

import pytest

from desktop.commands.connections import open_fleet
from serving.engines.process import ProcessEngine
from serving.engines.protocol import Engine
from serving.workspace import Workspace


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
    async with open_fleet(workspace, "pets", "process"):
        assert not engine.closed
    assert engine.closed
