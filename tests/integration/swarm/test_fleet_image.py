"""A fleet on a swarm that runs from images of models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.model_image.build import make_image
from serving.engines.docker.model_image.request import ModelImageRequest
from serving.errors import EngineError
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.docker.swarm import Swarm
from tests.support.docker.swarm_fleet import (
    MODEL,
    SECONDS,
    SwarmFleet,
    build_model_base,
    swarm_fleet,
)
from tests.support.load_generator import LoadGenerator
from tests.support.tiny_model import install_tiny, write_tiny
from tests.support.waiting import wait_for_view, wait_until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.swarm,
    pytest.mark.timeout(600),
]

BASE = f"{PREFIX}/model-base:{TOKEN}"


def _install(repository: ModelRepository) -> None:
    install_tiny(repository, MODEL)


@pytest.fixture
async def env(
    workspace: Workspace, two_nodes: Swarm, fake_server_image: str
) -> AsyncIterator[SwarmFleet]:
    # Building an image takes half a minute here: one node has them.
    build_model_base(two_nodes.manager, fake_server_image, BASE)
    (worker,) = two_nodes.workers
    two_nodes.drain(worker)
    async with swarm_fleet(workspace, two_nodes, BASE, _install) as made:
        yield made
    two_nodes.activate(worker)


def add_version(repository: ModelRepository, *, broken: bool = False) -> Version:
    with staged_version(repository, MODEL) as staged:
        write_tiny(staged, MODEL)
        if broken:
            (staged / "assets").mkdir()
            (staged / "assets" / "broken").touch()
        return commit_version(repository, MODEL, staged)


async def load_image(env: SwarmFleet, number: int) -> str:
    """Give the manager's node the image of a version, and return its name."""
    tag = f"{PREFIX}/pets:{number}-{TOKEN}"
    version = env.repository.version(MODEL, number)
    connection = EngineConnection([env.swarm.manager.endpoint])
    request = ModelImageRequest(tag, BASE)
    await make_image(connection, env.repository, version, request, TOKEN, TOKEN)
    await connection.close()
    return tag


async def test_a_version_goes_live_with_its_image_and_one_that_does_not_come_up_is_taken_back(
    env: SwarmFleet, sample_jpeg: bytes
) -> None:
    second = add_version(env.repository).number
    third = add_version(env.repository, broken=True).number
    images = {number: await load_image(env, number) for number in (1, second, third)}
    await env.fleet.set_limits(replace(env.fleet.limits, image=images[1]))
    await env.fleet.scale(2)
    await env.wait_for_nodes("node1", "node1")
    (service,) = env.services()
    container = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert [mount["Type"] for mount in container["Mounts"]] == ["tmpfs"]
    assert "Test" not in container["Healthcheck"]  # the image has one of its own
    async with LoadGenerator(env.client, sample_jpeg, 32) as load:
        await env.fleet.set_limits(replace(env.fleet.limits, image=images[second]))
        await env.fleet.wait_until_converged()
        assert env.repository.live_number(MODEL) == second
        await wait_until(lambda: load.versions[second] >= 50)

        await env.fleet.set_limits(replace(env.fleet.limits, image=images[third]))
        with pytest.raises(EngineError, match="went back to the former ones"):
            await env.fleet.wait_until_converged()
        assert env.repository.live_number(MODEL) == second
        assert env.fleet.limits.image == images[second]
        await wait_for_view(env.fleet, lambda view: view.ready == 2, SECONDS)
    assert load.failures == []
    assert third not in load.versions

    # Another program, which comes later, sees the same.
    client = PredictClient(env.repository.served)
    other = Fleet(env.engine, env.repository, env.workspace, client)
    view = await other.observe()
    assert (view.ready, view.live_version) == (2, second)
    assert "went back to the former ones" in view.update
    await client.close()
