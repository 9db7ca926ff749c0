"""An engine that is stopped under a running fleet, and comes back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import docker
import pytest

from serving.engines.docker.engine import DockerEngine
from serving.engines.protocol import InstanceState
from serving.errors import EngineError, FleetUnavailable
from serving.workspace import Workspace
from tests.integration.docker.conftest import save
from tests.integration.docker.ground import DockerGround, ids
from tests.integration.docker.second_engine import SecondEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


async def test_a_fleet_survives_its_engine_and_tells_the_truth_meanwhile(
    second: SecondEngine,
    api: docker.APIClient,
    stand_in: str,
    workspace: Workspace,
    tmp_path: Path,
    picture: bytes,
) -> None:
    theirs = second.client()
    ground = DockerGround(workspace, stand_in, theirs, [second.endpoint], patience=0.5)
    try:
        await _survives(second, ground, api, tmp_path, picture)
    finally:
        await ground.close()
        theirs.close()


async def _survives(
    second: SecondEngine,
    ground: DockerGround,
    api: docker.APIClient,
    tmp_path: Path,
    picture: bytes,
) -> None:
    assert not (await ground.engine.availability()).usable
    archive = tmp_path / "image.tar"
    await asyncio.to_thread(save, api, ground.image, archive)
    assert await ground.engine.images.load(archive) == [ground.image]
    assert (await ground.engine.availability()).usable
    async with ground.running():
        before = ids(await ground.fleet.scale(2))
        assert len(before) == 2
        await asyncio.to_thread(second.stop)
        began = time.monotonic()
        away = await ground.until(
            lambda view: "does not answer any more" in view.engine_reason and view.ready == 0, 10
        )
        assert time.monotonic() - began < 5
        assert {each.state for each in away.instances} <= {InstanceState.FAILED}
        with pytest.raises(FleetUnavailable):
            await ground.client.classify(picture)
        await asyncio.to_thread(second.start)
        view = await ground.until(lambda view: view.ready == 2, 60)
        assert "answers at" in view.engine_reason
        assert len(view.instances) == 2
        assert not set(ids(view)) & set(before)
        assert len(ground.containers()) == 2
        assert (await ground.client.classify(picture)).version == 1


async def test_an_engine_that_comes_later_is_found_without_a_restart(
    second: SecondEngine, workspace: Workspace
) -> None:
    await asyncio.to_thread(second.stop)
    engine = DockerEngine(workspace, ["nobody/nothing:1"], [second.endpoint])
    try:
        began = time.monotonic()
        away = await engine.availability()
        assert time.monotonic() - began < 3
        assert "No container engine answers" in away.reason
        with pytest.raises(EngineError):
            await engine.instances()
        await asyncio.to_thread(second.start)
        assert await engine.instances() == []
        assert "does not have the image nobody/nothing:1" in (await engine.availability()).reason
    finally:
        await engine.close()
