"""An engine that is stopped while a fleet runs, and started again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import docker
import pytest

from serving.engines.docker.engine import DockerEngine
from serving.engines.protocol import InstanceState
from serving.errors import EngineError, FleetUnavailable
from serving.workspace import Workspace
from tests.support.docker.docker_env import DockerEnv, ids
from tests.support.docker.images import save_image
from tests.support.docker.second_engine import SecondEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


async def test_a_fleet_survives_a_restart_of_its_engine(
    second: SecondEngine,
    api: docker.APIClient,
    fake_server_image: str,
    workspace: Workspace,
    tmp_path: Path,
    sample_jpeg: bytes,
) -> None:
    theirs = second.client()
    docker_env = DockerEnv(workspace, fake_server_image, theirs, [second.endpoint], timeout=0.5)
    try:
        await _survives(second, docker_env, api, tmp_path, sample_jpeg)
    finally:
        await docker_env.close()
        theirs.close()


async def _survives(
    second: SecondEngine,
    docker_env: DockerEnv,
    api: docker.APIClient,
    tmp_path: Path,
    sample_jpeg: bytes,
) -> None:
    assert not (await docker_env.engine.availability()).usable
    archive = tmp_path / "image.tar"
    await asyncio.to_thread(save_image, api, docker_env.image, archive)
    assert await docker_env.engine.images.load(archive) == [docker_env.image]
    assert (await docker_env.engine.availability()).usable
    async with docker_env.running():
        before = ids(await docker_env.fleet.scale(2))
        assert len(before) == 2
        await asyncio.to_thread(second.stop)
        away = await docker_env.wait_for_view(
            lambda view: "does not answer any more" in view.engine_reason and view.ready == 0
        )
        assert {each.state for each in away.instances} <= {InstanceState.FAILED}
        with pytest.raises(FleetUnavailable):
            await docker_env.client.classify(sample_jpeg)
        await asyncio.to_thread(second.start)
        view = await docker_env.wait_for_view(lambda view: view.ready == 2, 60)
        assert "answers at" in view.engine_reason
        assert len(view.instances) == 2
        assert not set(ids(view)) & set(before)
        assert len(docker_env.containers()) == 2
        assert (await docker_env.client.classify(sample_jpeg)).version == 1


async def test_an_engine_that_starts_later_is_found(
    second: SecondEngine, workspace: Workspace
) -> None:
    await asyncio.to_thread(second.stop)
    engine = DockerEngine(workspace, ["nobody/nothing:1"], [second.endpoint])
    try:
        away = await engine.availability()
        assert "No container engine answers" in away.reason
        with pytest.raises(EngineError):
            await engine.instances()
        await asyncio.to_thread(second.start)
        assert await engine.instances() == []
        assert "does not have the image nobody/nothing:1" in (await engine.availability()).reason
    finally:
        await engine.close()
