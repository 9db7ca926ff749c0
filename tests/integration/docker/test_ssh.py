"""An engine on another machine, reached by ssh: a real sshd, and an engine that sees nothing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from serving.engines.choose import choose_engine
from serving.engines.docker.discovery import find_engine
from serving.engines.docker.endpoints import DockerEndpoint
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.errors import EngineUnavailable
from serving.engines.docker.model_volume import prefix
from serving.engines.protocol import InstanceSpec
from serving.errors import EngineError
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.docker.docker_env import MODEL, DockerEnv
from tests.support.docker.second_engine import SecondEngine
from tests.support.docker.ssh_server import SshServer, unavailable_reason
from tests.support.requirements import missing
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    if reason := unavailable_reason():
        missing(reason)
    folder = tmp_path / "ssh"
    folder.mkdir()
    with SshServer(folder) as made:
        monkeypatch.setenv("PATH", f"{made.bin}{os.pathsep}{os.environ['PATH']}")
        yield made


@pytest.fixture
def far_host(
    server: SshServer, isolated_engine: SecondEngine, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The address of an engine on another machine, as in DOCKER_HOST."""
    address = f"{server.address}{isolated_engine.endpoint.socket}"
    monkeypatch.setenv("DOCKER_HOST", address)
    return address


@pytest.fixture
async def remote_env(
    workspace: Workspace, fake_server_image: str, isolated_engine: SecondEngine, far_host: str
) -> AsyncIterator[DockerEnv]:
    with contextlib.closing(isolated_engine.client()) as theirs:
        made = DockerEnv(workspace, fake_server_image, theirs)
        try:
            yield made
            await made.fleet.scale(0)
        finally:
            await made.close()
        assert not theirs.volumes({"name": prefix(workspace)})["Volumes"]
    assert ssh_processes() == []


def ssh_processes() -> list[psutil.Process]:
    """The connections of this process."""
    return [each for each in psutil.Process().children() if each.name() == "ssh"]


async def test_a_fleet_on_another_machine_serves_is_watched_and_kept_up_to_date(
    remote_env: DockerEnv, far_host: str, server: SshServer, sample_jpeg: bytes
) -> None:
    assert f"answers at {far_host}" in (await remote_env.engine.availability()).reason
    await remote_env.fleet.scale(2)
    rows = remote_env.containers()
    assert {mount["Type"] for row in rows for mount in row["Mounts"]} == {"volume"}
    theirs = {f"127.0.0.1:{port['PublicPort']}" for row in rows for port in row["Ports"]}
    assert server.alive() == 1
    async with remote_env.running():
        view = await remote_env.wait_for_view(lambda view: view.ready == 2)
        addresses = {each.instance.grpc_address for each in view.instances}
        # The engine is really on this machine, so that its own ports are taken here.
        assert len(addresses) == 2
        assert not addresses & theirs
        answered = {(await remote_env.client.classify(sample_jpeg)).instance_id for _ in range(8)}
        assert answered == {each.instance.id for each in view.instances}
        remote_env.repository.promote(MODEL, 2)
        await remote_env.wait_for_view(
            lambda view: {each.version for each in view.instances} == {2}, 10
        )
        with remote_env.fleet.observe_often():
            await remote_env.wait_for_view(
                lambda view: all(each.stats for each in view.instances), 10
            )
        name = view.instances[0].instance.id
        assert "the fake server begins" in await remote_env.engine.logs(name)
        async with contextlib.aclosing(remote_env.engine.follow_logs(name)) as lines:
            assert await anext(lines) == "the fake server begins"
        command = await remote_env.engine.run_command(name)
        assert f"docker --host {far_host} run" in command
        assert "type=volume" in command


async def test_a_connection_that_breaks_is_made_again(
    remote_env: DockerEnv, server: SshServer, sample_jpeg: bytes
) -> None:
    await remote_env.fleet.scale(1)
    async with remote_env.running():
        before = (
            (await remote_env.wait_for_view(lambda view: view.ready == 1)).instances[0].instance
        )
        server.drop_connections()
        await remote_env.wait_for_view(lambda view: view.ready == 0, 10)
        view = await remote_env.wait_for_view(lambda view: view.ready == 1, 20)
        assert view.instances[0].instance.id == before.id
        assert (await remote_env.client.classify(sample_jpeg)).instance_id == before.id
    assert len(ssh_processes()) == 1


async def test_a_folder_that_the_other_machine_has_too_is_mounted(
    docker_env: DockerEnv, server: SshServer
) -> None:
    here = DockerEndpoint(
        f"{server.address}/var/run/docker.sock", "the engine of this machine by ssh"
    )
    engine = DockerEngine(docker_env.workspace, [docker_env.image], [here])
    try:
        config_file = docker_env.repository.config_path.resolve()
        instance = await engine.start(InstanceSpec(config_file))
        (row,) = docker_env.containers()
        assert [mount["Type"] for mount in row["Mounts"]] == ["bind"]
        await engine.stop(instance.id, grace=1)
    finally:
        await engine.close()
    assert ssh_processes() == []


async def test_the_current_context_may_be_on_another_machine(
    server: SshServer,
    isolated_engine: SecondEngine,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"{server.address}{isolated_engine.endpoint.socket}"
    meta = tmp_path / "docker/contexts/meta" / hashlib.sha256(b"far").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": "far", "Endpoints": {"docker": {"Host": address}}}))
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"currentContext": "far"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    said = f"answers at {address}, the current Docker context far. It is another machine"
    with pytest.raises(EngineError, match=re.escape(said)):
        await choose_engine("docker", workspace)
    assert ssh_processes() == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("{server}/nothing.sock", "No container engine listens at /nothing.sock on that machine"),
        ("ssh://nobody@127.0.0.1:{port}", "without asking for anything"),
        ("ssh://127.0.0.1:1", "(?i)refused"),
    ],
)
def test_an_ssh_that_does_not_connect_is_an_error_with_the_reason(
    server: SshServer, address: str, words: str
) -> None:
    url = address.format(server=server.address, port=server.port)
    with pytest.raises(EngineUnavailable, match=words):
        find_engine([DockerEndpoint(url, "the test")])
    assert ssh_processes() == []


def test_a_host_that_is_not_known_is_not_trusted(server: SshServer, tmp_path: Path) -> None:
    (tmp_path / "ssh" / "known_hosts").write_text("")
    with pytest.raises(EngineUnavailable, match="Host key verification failed"):
        find_engine([DockerEndpoint(server.address, "the test")])


async def test_ssh_exits_when_the_program_is_killed(server: SshServer) -> None:
    program = (
        "import time\n"
        "from serving.engines.docker.discovery import find_engine\n"
        "from serving.engines.docker.endpoints import DockerEndpoint\n"
        f"find_engine([DockerEndpoint({server.address!r}, 'the test')])\n"
        "print('connected', flush=True)\n"
        "time.sleep(60)\n"
    )
    with tempfile.TemporaryDirectory(prefix="svtest-") as scratch:
        owner = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=dict(os.environ, TMPDIR=scratch),
        )
        assert owner.stdout is not None
        assert await owner.stdout.readline() == b"connected\n"
        (ssh,) = [each for each in psutil.Process(owner.pid).children() if each.name() == "ssh"]
        assert server.alive() == 1
        owner.kill()
        await owner.wait()
    _, alive = psutil.wait_procs([ssh], timeout=5)
    assert not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]
    await wait_until(lambda: server.alive() == 0)
