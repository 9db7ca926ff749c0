"""Fixtures with a swarm of the tests' own; the engine of this machine never joins one."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.support.docker.swarm import Swarm, swarm, unavailable_reason
from tests.support.requirements import missing


@pytest.fixture(scope="session")
def storage_driver(api: docker.APIClient) -> str:
    """The storage driver of further engines; skips if there can be none."""
    if reason := unavailable_reason():
        missing(reason)
    return str(api.info()["Driver"])


@pytest.fixture(scope="session")
def two_nodes(
    storage_driver: str, api: docker.APIClient, fake_server_image: str
) -> Iterator[Swarm]:
    """A manager and a worker, both with the fake server's image.

    Tests put back what they change; those that kill a node make a swarm of their own.
    """
    with swarm(2, storage_driver, api, [fake_server_image]) as made:
        yield made
