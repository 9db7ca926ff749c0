"""Fixtures with engines of the tests' own, and with what runs on them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import docker
import pytest

from serving.engines.docker import names
from serving.workspace import Workspace
from tests.gui.conftest import _theme, application, run
from tests.support.docker import images
from tests.support.docker.docker_env import DockerEnv
from tests.support.docker.second_engine import SecondEngine, second_engine, unavailable_reason
from tests.support.requirements import missing

__all__ = ["_theme", "application", "run"]
"""Fixtures of the tests that open windows."""


@pytest.fixture
def second(api: docker.APIClient) -> Iterator[SecondEngine]:
    """An engine of the test's own, without images."""
    with second_engine(second_engine_driver(api)) as engine:
        yield engine


@pytest.fixture(scope="session")
def isolated_engine(
    api: docker.APIClient, fake_server_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecondEngine]:
    """An engine that sees no folder of any test, with the fake server's image."""
    hidden = tmp_path_factory.getbasetemp()
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    with second_engine(second_engine_driver(api), hidden) as engine:
        images.save_image(api, fake_server_image, archive)
        with contextlib.closing(engine.client()) as client, archive.open("rb") as file:
            load: Callable[..., object] = client.load_image
            load(file)
        archive.unlink()
        yield engine


def second_engine_driver(api: docker.APIClient) -> str:
    """Return the storage driver for a second engine; skips if there can be none."""
    if reason := unavailable_reason():
        missing(reason)
    return str(api.info()["Driver"])


@pytest.fixture
async def docker_env(
    workspace: Workspace, fake_server_image: str, api: docker.APIClient
) -> AsyncIterator[DockerEnv]:
    made = DockerEnv(workspace, fake_server_image, api)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def foreign_container(api: docker.APIClient, fake_server_image: str) -> Iterator[str]:
    """The id of a container of another program; checks that it is untouched afterwards."""
    made = api.create_container(
        fake_server_image,
        entrypoint=["sleep", "600"],
        labels={names.WORKSPACE: "of-somebody-else", names.INSTANCE: "theirs"},
        name=f"servery-test-foreign-{images.TOKEN}",
    )
    container = str(made["Id"])
    try:
        api.start(container)
        before = api.inspect_container(container)["State"]
        yield container
        assert api.inspect_container(container)["State"] == before
    finally:
        api.remove_container(container, force=True)
