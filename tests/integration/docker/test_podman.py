"""The Docker engine with Podman's service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import docker
import pytest

from serving.engines.docker.endpoints import DockerEndpoint
from serving.engines.docker.model_volume import prefix
from serving.fleet.record import InstanceLimits
from serving.workspace import Workspace
from tests.support.docker.docker_env import MODEL, DockerEnv, has_failed, ids
from tests.support.docker.images import save_image
from tests.support.docker.second_engine import answers
from tests.support.fleet_env import patch_pace
from tests.support.requirements import missing
from tests.support.waiting import block_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@contextlib.contextmanager
def podman(hidden: Path | None = None) -> Iterator[DockerEndpoint]:
    """Yield the address of a service with folders of its own, which does not see `hidden`."""
    program = shutil.which("podman")
    if program is None or os.geteuid() != 0:
        missing("there is no podman that root may run")
    folder = Path(tempfile.mkdtemp(prefix="svtest-"))
    # By default Podman requests higher limits than this machine may grant.
    files = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    settings = folder / "containers.conf"
    settings.write_text(
        "[containers]\n"
        f'default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    own = [program, "--root", str(folder / "root"), "--runroot", str(folder / "run")]
    endpoint = DockerEndpoint(f"unix://{folder}/podman.sock", "the tests' own Podman")
    command = [*own, "system", "service", "--time=0", endpoint.url]
    if hidden is not None:
        hide = 'mount -t tmpfs hidden "$0" && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", hide, str(hidden), *command]
    environment = dict(os.environ, CONTAINERS_CONF=str(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        block_until(lambda: process.poll() is not None or answers(endpoint))
        assert process.poll() is None, (folder / "log").read_text()
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)
        subprocess.run([*own, "system", "reset", "--force"], env=environment, capture_output=True)
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=True)
        shutil.rmtree(folder)


@pytest.fixture(params=["seeing", "blind"])
async def remote_env(
    request: pytest.FixtureRequest,
    workspace: Workspace,
    fake_server_image: str,
    api: docker.APIClient,
    tmp_path: Path,
) -> AsyncIterator[DockerEnv]:
    """A fleet on a Podman that sees the workspace, and on one that does not."""
    archive = tmp_path / "image.tar"
    await asyncio.to_thread(save_image, api, fake_server_image, archive)
    with podman(tmp_path if request.param == "blind" else None) as endpoint:
        theirs = docker.APIClient(endpoint.url, version="1.41", timeout=60)
        docker_env = DockerEnv(workspace, fake_server_image, theirs, [endpoint])
        try:
            (loaded,) = await docker_env.engine.images.load(archive)
            assert loaded.endswith(fake_server_image)
            yield docker_env
            assert theirs.containers(all=True) == []
            assert not theirs.volumes({"name": prefix(workspace)})["Volumes"]
        finally:
            await docker_env.close()
            theirs.close()


async def test_a_fleet_runs_in_podman(
    remote_env: DockerEnv,
    sample_jpeg: bytes,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "Podman" in (await remote_env.engine.availability()).reason
    await remote_env.fleet.set_limits(InstanceLimits(memory_limit=256 * 2**20, cpu_limit=0.5))
    name, other = ids(await remote_env.fleet.scale(2))
    rows = remote_env.containers()
    kind = "volume" if "blind" in request.node.name else "bind"
    assert {mount["Type"] for row in rows for mount in row["Mounts"]} == {kind}
    assert {port["IP"] for row in rows for port in row["Ports"]} == {"127.0.0.1"}
    async with remote_env.running():
        view = await remote_env.wait_for_view(lambda view: view.ready == 2)
        answered = {(await remote_env.client.classify(sample_jpeg)).instance_id for _ in range(8)}
        assert answered == {name, other}
        with remote_env.fleet.observe_often():
            await remote_env.wait_for_view(
                lambda view: all(each.stats for each in view.instances), 10
            )
        remote_env.repository.promote(MODEL, 2)
        await remote_env.wait_for_view(
            lambda view: {each.version for each in view.instances} == {2}, 15
        )
        assert "the fake server begins" in await remote_env.engine.logs(name)
        async with (
            asyncio.timeout(10),
            contextlib.aclosing(remote_env.engine.follow_logs(name)) as lines,
        ):
            assert await anext(lines) == "the fake server begins"
        await _the_command_makes_the_same(remote_env, name)
        with monkeypatch.context() as patch:
            # Only what Podman reports makes the fleet observe again.
            patch_pace(patch)
            remote_env.api.kill(remote_env.container(name))
            await remote_env.wait_for_view(
                lambda view: has_failed(name, "SIGKILL")(view) or name not in ids(view)
            )
        view = await remote_env.wait_for_view(lambda view: view.ready == 2, 30)
        assert other in ids(view)
        assert name not in ids(view)
    await remote_env.fleet.scale(0)


async def _the_command_makes_the_same(remote_env: DockerEnv, name: str) -> None:
    command = await remote_env.engine.run_command(name)
    assert command.startswith("podman --url unix://")
    before = remote_env.api.inspect_container(remote_env.container(name))
    copy = command.replace(f"--name servery-{name}", "--name by-hand").replace(
        "--label io.servery.workspace=", "--label by-hand="
    )
    made = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", copy], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    after = remote_env.api.inspect_container(made.stdout.strip())
    remote_env.api.remove_container(made.stdout.strip(), force=True)
    for key in ("Cmd", "User", "Entrypoint"):
        assert after["Config"][key] == before["Config"][key], key
    for key in ("ReadonlyRootfs", "Memory", "NanoCpus"):
        assert after["HostConfig"][key] == before["HostConfig"][key], key
    assert [(m["Source"], m["Destination"], m["RW"]) for m in after["Mounts"]] == [
        (m["Source"], m["Destination"], m["RW"]) for m in before["Mounts"]
    ]
