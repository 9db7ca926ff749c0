"""The program that keeps a fleet may be killed at any moment: its containers are found again."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import docker
import pytest

from serving.engines.docker.connection import EngineConnection
from serving.engines.protocol import InstanceState
from tests.conftest import ROOT
from tests.support.docker.docker_env import DockerEnv
from tests.support.docker.killing_proxy import KillingProxy
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

KILLED_SECONDS = 60.0

_ADOPTED = (InstanceState.STARTING, InstanceState.READY)


@pytest.fixture(scope="module")
def engine_socket(api: docker.APIClient) -> Path:
    connection = EngineConnection()
    try:
        socket = connection.find().endpoint.socket
    finally:
        asyncio.run(connection.close())
    if socket is None:
        pytest.skip("the engine does not listen on a Unix socket")
    return socket


@pytest.mark.parametrize("occurrence", [1, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("request_line", "state"),
    [
        (r"POST /v[^/]*/containers/create", "created"),
        pytest.param(r"HEAD /v[^/]*/containers/[^/]+/archive", "created", marks=pytest.mark.long),
        (r"POST /v[^/]*/containers/[^/]+/start", "running"),
        pytest.param(r"POST /v[^/]*/containers/[^/]+/rename", "running", marks=pytest.mark.long),
        (r"POST /v[^/]*/containers/[^/]+/stop", "exited"),
        (r"DELETE /v[^/]*/containers/", ""),
    ],
    ids=["create", "check the mount", "start", "rename", "stop", "remove"],
)
async def test_a_killed_owner_leaves_nothing_that_is_not_adopted_or_removed(
    docker_env: DockerEnv,
    engine_socket: Path,
    foreign_container: str,
    request_line: str,
    state: str,
    occurrence: int,
) -> None:
    with tempfile.TemporaryDirectory(prefix="svtest-") as folder:
        proxy_socket = Path(folder) / "proxy.sock"
        command = ["tests.support.fleet_owner", "3", "docker", docker_env.image]
        environment = {"PYTHONPATH": str(ROOT), "DOCKER_HOST": f"unix://{proxy_socket}"}
        async with KillingProxy(proxy_socket, engine_socket, request_line, occurrence) as proxy:
            owner = proxy.victim = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *command, env={**os.environ, **environment}
            )
            try:
                async with asyncio.timeout(KILLED_SECONDS):
                    await owner.wait()
            finally:
                if owner.returncode is None:
                    owner.kill()
                    await owner.wait()
    left = {row["State"] for row in await asyncio.to_thread(docker_env.containers)}
    assert not state or state in left
    async with docker_env.running():
        await docker_env.wait_for_view(
            lambda view: all(each.state in _ADOPTED for each in view.instances)
        )
        await wait_until(lambda: {row["State"] for row in docker_env.containers()} <= {"running"})
    view = await docker_env.fleet.scale(2)
    assert view.ready == 2
    assert [row["State"] for row in docker_env.containers()] == ["running", "running"]
