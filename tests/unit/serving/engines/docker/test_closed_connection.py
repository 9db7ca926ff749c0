"""What a fleet gets from an engine that was let go of while it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.image.store import ImageStore
from serving.engines.protocol import Engine, Instance
from serving.engines.swarm.engine import SwarmEngine
from serving.engines.switch import EngineSwitch
from serving.errors import EngineError
from serving.workspace import Workspace

CALLS: dict[str, Callable[[DockerEngine], Awaitable[object]]] = {
    "instances": lambda engine: engine.instances(),
    "logs": lambda engine: engine.logs("one"),
    "stop": lambda engine: engine.stop("one"),
    "changes": lambda engine: anext(engine.changes()),
    "images": lambda engine: ImageStore(engine.connection).find(["one"]),
    "limits": lambda engine: engine.default_limits(),
}


class EmptyEngine:
    async def instances(self) -> list[Instance]:
        return []


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_of_a_closed_engine_is_an_engine_error(
    workspace: Workspace, call: str
) -> None:
    engine = DockerEngine(workspace, [])
    await engine.close()
    with pytest.raises(EngineError, match="its connection is closed"):
        await CALLS[call](engine)


@pytest.mark.parametrize("kind", [DockerEngine, SwarmEngine])
async def test_a_round_that_still_lists_a_former_engine_goes_on(
    workspace: Workspace, kind: type[DockerEngine | SwarmEngine]
) -> None:
    former = kind(workspace, [])
    switch = EngineSwitch(former)
    switch.switch_to(cast(Engine, EmptyEngine()))
    await former.close()
    assert await switch.instances() == []
