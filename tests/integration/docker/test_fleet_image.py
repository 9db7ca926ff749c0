"""A fleet that runs from the image of a version: with no mount, and with that version alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import docker
import pytest

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.model_image.build import make_image
from serving.engines.docker.model_image.request import ModelImageRequest
from serving.errors import EngineError, ModelError
from serving.fleet.fleet import Fleet
from serving.models.canary import Canary
from serving.models.fleet_image import ServedFromImage
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.sample_images import painting
from tests.support.tiny_model import install_tiny, write_tiny
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "pets"
TAG = f"{PREFIX}/fleet:{TOKEN}"


class ImageFleet:
    """A fleet on the real engine and the real server."""

    def __init__(self, workspace: Workspace, base: str) -> None:
        self.repository = ModelRepository(workspace.models)
        self.version = install_tiny(self.repository, MODEL)
        self.base = base
        self.engine = DockerEngine(workspace, [base])
        self.client = PredictClient(self.repository.served, timeout=20)
        self.fleet = Fleet(self.engine, self.repository, workspace, self.client)

    async def make_image(self) -> None:
        connection = EngineConnection()
        request = ModelImageRequest(TAG, self.base)
        await make_image(connection, self.repository, self.version, request, TOKEN, TOKEN)
        await connection.close()

    async def set_image(self, name: str) -> None:
        await self.fleet.set_limits(replace(self.fleet.limits, image=name))

    def add_version(self) -> int:
        with staged_version(self.repository, MODEL) as staged:
            write_tiny(staged, MODEL)
            return commit_version(self.repository, MODEL, staged).number


@pytest.fixture
async def env(
    workspace: Workspace, model_server_image: str, api: docker.APIClient
) -> AsyncIterator[ImageFleet]:
    made = ImageFleet(workspace, model_server_image)
    await made.make_image()
    try:
        yield made
    finally:
        await made.fleet.scale(0)
        await made.client.close()
        await made.engine.close()
        api.remove_image(TAG, force=True)


async def test_instances_serve_what_the_image_holds(env: ImageFleet, api: docker.APIClient) -> None:
    inspect: Callable[[str], dict[str, Any]] = api.inspect_container
    await env.set_image(TAG)
    view = await env.fleet.scale(1)
    (one,) = view.instances
    container = inspect(f"servery-{one.instance.id}")
    assert container["Mounts"] == []
    assert container["Config"]["Image"] == TAG
    assert container["Config"]["User"] == "65532:65532"
    found = await env.client.classify(painting("red", 1))
    assert (found.version, found.scores[0].name) == (1, "red")

    # Nothing else goes live meanwhile, and what does says what to do.
    number = env.add_version()
    with pytest.raises(ServedFromImage, match=f"the image {TAG}, which serves version 1") as kept:
        env.repository.promote(MODEL, number)
    assert "servery fleet limit --image ''" in kept.value.advice
    with pytest.raises(ServedFromImage):
        env.repository.start_canary(MODEL, Canary(number, 1, 0.1, "", ""))
    with pytest.raises(ServedFromImage, match="nothing else") as refused:
        env.repository.change_served(lambda served: replace(served, also=("cars",)))
    assert "then serve cars" in refused.value.advice
    assert env.repository.live_number(MODEL) == 1
    env.repository.promote(MODEL, 1)  # what it serves may be promoted again

    # From the workspace again, the next version goes live.
    await env.set_image("")
    await env.fleet.wait_until_converged()
    env.repository.promote(MODEL, number)

    async def answers() -> bool:
        await env.fleet.observe()
        return (await env.client.classify(painting("blue", 1))).version == number

    await wait_until(answers)


async def test_an_image_of_something_else_is_refused(
    env: ImageFleet, api: docker.APIClient
) -> None:
    number = env.add_version()
    env.repository.promote(MODEL, number)
    with pytest.raises(ModelError, match=f"holds version 1 of pets, and version {number} answers"):
        await env.set_image(TAG)
    env.repository.promote(MODEL, 1)
    await env.set_image(TAG)
    # Another image took the name: no instance starts with what nobody chose.
    api.remove_image(TAG, force=True)
    api.tag(env.base, f"{PREFIX}/fleet", TOKEN)
    with pytest.raises(EngineError, match="holds no model now"):
        await env.fleet.scale(1)
    await env.set_image("")
    assert env.repository.fleet_image() is None
