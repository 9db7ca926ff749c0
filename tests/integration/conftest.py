"""Fixtures with a real container engine; the tests leave nothing behind on it.

Here, since each folder of tests that imported them would have its own: an image that two of them
share would still be there when the first looks at what is left.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from serving.engines.docker import names
from serving.engines.docker.connection import EngineConnection
from serving.errors import EngineError
from serving.stack.plan import StackPlan
from tests.support.docker import images
from tests.support.docker.stack_images import local_stack
from tests.support.requirements import missing


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[docker.APIClient]:
    """The engine's own API, to act as another program."""
    connection = EngineConnection()
    try:
        found = connection.find()
    except EngineError as error:
        missing(f"there is no container engine ({error})")
    client = found.connect()
    found.client.close()
    client.timeout = 60
    with contextlib.closing(client), no_leftovers(client, tmp_path_factory.getbasetemp()):
        yield client


@contextlib.contextmanager
def no_leftovers(client: docker.APIClient, folder: Path) -> Iterator[None]:
    """Fail if the block leaves a container, image tag, volume or network behind.

    Other test runs on the same engine are not looked at.
    """
    before = _unnamed(client)
    yield
    containers = client.containers(all=True)
    left = {
        "containers": [
            row["Names"][0]
            for row in containers
            if images.TOKEN in f"{row['Image']} {row['Names']}"
            or row["Labels"].get(names.FOLDER, "").startswith(str(folder))
        ],
        "tags": [
            tag
            for image in client.images()
            for tag in image["RepoTags"] or ()
            if images.TOKEN in tag
        ],
        "volumes and networks": sorted(
            name
            for name in _unnamed(client) - before
            if not name.startswith(images.PREFIX) or images.TOKEN in name
        ),
    }
    assert not any(left.values()), left


def _unnamed(client: docker.APIClient) -> set[str]:
    volumes: dict[str, Any] = client.volumes()
    networks = {str(row["Name"]) for row in client.networks()}
    return networks | {str(row["Name"]) for row in volumes["Volumes"] or ()}


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of a test run have in common."""
    return tmp_path_factory.getbasetemp().parent


@pytest.fixture(scope="session")
def fake_server_image(api: docker.APIClient, run_folder: Path) -> Iterator[str]:
    """The name of an image with a model server that starts at once and needs no model."""
    with images.shared("fake-server", run_folder, images.build_fake_server_image) as name:
        yield name


@pytest.fixture(scope="session")
def model_server_image(api: docker.APIClient, run_folder: Path) -> Iterator[str]:
    """The name of our own image, or of the one that the environment names."""
    if named := os.environ.get(images.OWN_IMAGE_VARIABLE):
        yield named
        return
    with images.shared("model-server", run_folder, images.build_model_server_image) as name:
        yield name


@pytest.fixture(scope="session")
def local_plan(api: docker.APIClient, run_folder: Path) -> Iterator[StackPlan]:
    """A Compose stack of images that are built here."""
    with local_stack(run_folder) as plan:
        yield plan
