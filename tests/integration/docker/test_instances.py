"""Instances in containers, and what the fleet shows when others change them."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from serving.engines.docker import names
from serving.engines.docker.container import (
    NORMAL_CPU_SHARES,
    STARTING_CPU_SHARES,
    ContainerPlan,
    container_config,
)
from serving.engines.docker.container_user import container_user
from serving.engines.protocol import InstanceSpec, InstanceState
from serving.errors import EngineError
from serving.fleet.fleet import FleetView
from serving.fleet.record import InstanceLimits
from tests.support.docker import images
from tests.support.docker.docker_env import MODEL, DockerEnv, has_failed, ids, view_of
from tests.support.fleet_env import patch_pace
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def capabilities(pid: int) -> set[int]:
    """Return the masks of all that a process may do beyond its user: capabilities(7)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return {int(mask, 16) for mask in re.findall(r"^Cap\w+:\s*(\w+)$", status, re.MULTILINE)}


async def test_what_a_container_may_take_is_limited_by_default(docker_env: DockerEnv) -> None:
    await docker_env.fleet.scale(1)
    (row,) = docker_env.containers()
    host = docker_env.api.inspect_container(row["Id"])["HostConfig"]
    info = docker_env.api.info()
    assert host["Memory"] == max(info["MemTotal"] // 2, 2 * 2**30)
    assert host["PidsLimit"] == 512 + 64 * info["NCPU"]
    (each,) = docker_env.fleet.view.instances
    command = await docker_env.engine.run_command(each.instance.id)
    assert f"--memory {host['Memory']}" in command
    assert f"--pids-limit {host['PidsLimit']}" in command


async def test_a_container_is_isolated_and_listens_on_loopback_only(docker_env: DockerEnv) -> None:
    limits = InstanceLimits(memory_limit=256 * 2**20, cpu_limit=0.5)
    await docker_env.fleet.set_limits(limits)
    view = await docker_env.fleet.scale(1)
    (row,) = docker_env.containers()
    assert {port["IP"] for port in row["Ports"]} == {"127.0.0.1"}
    assert {port["PrivatePort"] for port in row["Ports"]} == {8500, 8501}
    inspected = docker_env.api.inspect_container(row["Id"])
    host = inspected["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] == limits.memory_limit
    assert host["NanoCpus"] == 500_000_000
    assert not host["Privileged"]
    (mount,) = inspected["Mounts"]
    assert (mount["RW"], mount["Source"]) == (False, mount["Destination"])
    process = psutil.Process(inspected["State"]["Pid"])
    # The person's own files are read by the person, who can do nothing else in there.
    assert process.uids().real == os.getuid()
    assert capabilities(process.pid) == {0}
    assert view.instances[0].version == 1

    def measured(view: FleetView) -> bool:
        stats = view.instances[0].stats
        return stats is not None and 10 * 2**20 < stats.memory_bytes < limits.memory_limit

    async with docker_env.watching():
        with docker_env.fleet.observe_often():
            await docker_env.wait_for_view(measured, 10)


async def test_the_run_command_creates_the_same_container(docker_env: DockerEnv) -> None:
    view = await docker_env.fleet.scale(1)
    instance = view.instances[0].instance
    command = await docker_env.engine.run_command(instance.id)
    before = docker_env.api.inspect_container(docker_env.container(instance.id))
    await docker_env.fleet.scale(0)
    made = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", command], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    after = docker_env.api.inspect_container(made.stdout.strip())
    for key in ("Image", "Cmd", "User", "Entrypoint"):
        assert after["Config"][key] == before["Config"][key], key
    assert set(before["Config"]["Env"]) == set(after["Config"]["Env"])
    for key in ("CapDrop", "SecurityOpt", "ReadonlyRootfs", "Tmpfs", "Memory", "LogConfig"):
        assert after["HostConfig"][key] == before["HostConfig"][key], key
    assert after["Mounts"] == before["Mounts"]
    assert shlex.split(command.replace("\\\n", " "))[:3] == ["docker", "run", "--detach"]


async def test_logs_are_read_followed_and_kept_when_an_instance_failed(
    docker_env: DockerEnv,
) -> None:
    view = await docker_env.fleet.scale(1)
    name = view.instances[0].instance.id
    assert "the fake server begins" in await docker_env.engine.logs(name)
    async with asyncio.timeout(10), aclosing(docker_env.engine.follow_logs(name)) as lines:
        assert await anext(lines) == "the fake server begins"
        following = asyncio.ensure_future(anext(lines))
        assert not following.done()
        docker_env.api.kill(docker_env.container(name))
        with pytest.raises(StopAsyncIteration):
            await following
    await docker_env.engine.stop(name)
    assert docker_env.containers() == []
    kept = await docker_env.engine.logs(name)
    assert "the fake server begins" in kept
    assert "SIGKILL" in kept
    with pytest.raises(EngineError, match="no instance nobody"):
        await docker_env.engine.logs("nobody")


async def test_following_a_log_can_be_closed_at_once(docker_env: DockerEnv) -> None:
    view = await docker_env.fleet.scale(1)
    lines = docker_env.engine.follow_logs(view.instances[0].instance.id)
    await anext(lines)
    # The server prints nothing more, so that waiting for its next line would never end.
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await lines.aclose()


@pytest.mark.parametrize(
    ("interfere", "words"),
    [
        (lambda docker_env, container: docker_env.api.stop(container, timeout=5), "SIGTERM"),
        (lambda docker_env, container: docker_env.api.pause(container), "paused from outside"),
        (lambda docker_env, container: docker_env.api.kill(container), "SIGKILL"),
    ],
    ids=["stop", "pause", "kill"],
)
async def test_a_container_that_others_stop_is_failed_with_the_reason(
    docker_env: DockerEnv,
    interfere: Callable[[DockerEnv, str], None],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with docker_env.running():
        await docker_env.fleet.scale(1)
    async with docker_env.watching():
        (name,) = ids(await docker_env.wait_for_view(lambda view: view.ready == 1))
        # Only what the engine reports makes the fleet observe again: its polls would be too late.
        with monkeypatch.context() as patch:
            patch_pace(patch)
            await asyncio.to_thread(interfere, docker_env, docker_env.container(name))
            await docker_env.wait_for_view(has_failed(name, words))
    async with docker_env.running():
        view = await docker_env.wait_for_view(lambda view: view.ready == 1)
        assert ids(view) != [name]
    assert len(docker_env.containers()) == 1


async def test_a_container_that_others_remove_is_replaced(
    docker_env: DockerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await docker_env.fleet.scale(1)
    async with docker_env.watching():
        (name,) = ids(await docker_env.wait_for_view(lambda view: view.ready == 1))
        with monkeypatch.context() as patch:
            patch_pace(patch)
            docker_env.api.remove_container(docker_env.container(name), force=True)
            await docker_env.wait_for_view(lambda view: not view.instances)
    async with docker_env.running():
        await docker_env.wait_for_view(lambda view: view.ready == 1)


async def test_running_out_of_memory_is_reported_with_the_limit(
    docker_env: DockerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await docker_env.fleet.set_limits(InstanceLimits(memory_limit=160 * 2**20))
    await docker_env.fleet.scale(1)
    async with docker_env.watching():
        (name,) = ids(await docker_env.wait_for_view(lambda view: view.ready == 1))
        with monkeypatch.context() as patch:
            patch_pace(patch)
            docker_env.configure(eat=True)
            await docker_env.wait_for_view(has_failed(name, "more memory than its limit of 168 MB"))


async def test_a_server_that_exits_at_once_is_an_error_with_its_last_line(
    docker_env: DockerEnv,
) -> None:
    docker_env.configure(exit=3)
    with pytest.raises(EngineError, match=r"exit status 3.*the model is broken"):
        async with asyncio.timeout(60):
            await docker_env.fleet.scale(1)


async def test_an_instance_that_is_restarted_from_outside_joins_again(
    docker_env: DockerEnv, sample_jpeg: bytes
) -> None:
    both = ids(await docker_env.fleet.scale(2))
    async with docker_env.running():
        name = ids(await docker_env.wait_for_view(lambda view: view.ready == 2))[0]
        before = docker_env.fleet.view.instances[0].instance.grpc_address
        await asyncio.to_thread(docker_env.api.restart, docker_env.container(name), 5)

        def ready_again(view: FleetView) -> bool:
            each = view_of(view, name)
            return each is not None and each.state is InstanceState.READY and view.ready == 2

        await docker_env.wait_for_view(lambda view: not ready_again(view), 5)
        view = await docker_env.wait_for_view(ready_again)
        each = view_of(view, name)
        assert each is not None
        assert each.instance.grpc_address != before
        assert sorted(ids(view)) == sorted(both)
        async with asyncio.timeout(2):
            while (await docker_env.client.classify(sample_jpeg)).instance_id != name:
                pass


async def test_an_instance_has_a_low_cpu_share_until_it_is_ready(
    docker_env: DockerEnv,
) -> None:
    spec = InstanceSpec(docker_env.repository.config_path.resolve())
    started = await docker_env.engine.start(spec)

    def share(instance_id: str) -> int:
        inspected = docker_env.api.inspect_container(docker_env.container(instance_id))
        return int(inspected["HostConfig"]["CpuShares"])

    assert share(started.id) == STARTING_CPU_SHARES
    await docker_env.engine.grant_full_cpu(started.id)
    assert share(started.id) == NORMAL_CPU_SHARES
    await docker_env.engine.stop(started.id)
    await docker_env.engine.grant_full_cpu(started.id)
    ready = ids(await docker_env.fleet.scale(2))
    async with docker_env.running():
        await docker_env.wait_for_view(
            lambda view: all(share(name) == NORMAL_CPU_SHARES for name in ready)
        )


async def test_a_container_of_the_version_before_is_replaced(
    docker_env: DockerEnv, sample_jpeg: bytes
) -> None:
    # It has no limits of memory and processes, and may run as a user who cannot read what is new.
    spec = InstanceSpec(docker_env.repository.config_path.resolve())
    labels = {
        "io.servery.workspace": names.workspace_id(docker_env.workspace),
        "io.servery.instance": "pets-old",
        "io.servery.model": MODEL,
        "io.servery.spec": spec.hash,
        "io.servery.starter": f"{socket.gethostname()} 99999999 1.00",
        "io.servery.folder": str(docker_env.workspace.root),
    }
    user = container_user(docker_env.workspace.models, rootless=False)
    config = container_config(spec, ContainerPlan(docker_env.image, labels, threads=1, user=user))
    create: Callable[..., dict[str, str]] = docker_env.api.create_container_from_config
    old = create(config, "servery-pets-old")["Id"]
    (found,) = await docker_env.engine.instances()
    assert (found.id, found.state) == ("pets-old", InstanceState.STOPPED)
    docker_env.api.start(old)
    async with docker_env.running():
        view = await docker_env.fleet.scale(2)
        assert view.ready == 2
        assert "pets-old" not in ids(view)
        answered = {(await docker_env.client.classify(sample_jpeg)).instance_id for _ in range(8)}
        assert answered == set(ids(view))
    assert old not in [row["Id"] for row in docker_env.containers()]


async def test_a_container_that_was_never_started_is_removed(docker_env: DockerEnv) -> None:
    labels = names.labels(docker_env.workspace, "pets-lost", "0")
    labels[names.CREATOR] = labels[names.CREATOR].replace(" ", " 99999", 1)
    made = docker_env.api.create_container(
        docker_env.image, labels=labels, name=f"servery-pets-lost-{images.TOKEN}"
    )
    (found,) = await docker_env.engine.instances()
    assert (found.id, found.state) == ("pets-lost", InstanceState.STOPPED)
    assert "ended while it was starting" in found.failure
    view = await docker_env.fleet.scale(1)
    assert view.ready == 1
    assert made["Id"] not in [row["Id"] for row in docker_env.containers()]


async def test_a_start_without_a_model_or_an_image_leaves_nothing(
    docker_env: DockerEnv,
) -> None:
    missing = docker_env.workspace.models / "gone" / "serving.config"
    with pytest.raises(EngineError, match="no model is served"):
        await docker_env.engine.start(InstanceSpec(missing))
    config_file = docker_env.repository.config_path.resolve()
    spec = InstanceSpec(config_file, image="nobody/nothing:1")
    with pytest.raises(EngineError, match="does not have the image nobody/nothing:1"):
        await docker_env.engine.start(spec)
    assert docker_env.containers() == []


async def test_a_foreign_container_is_not_listed_and_not_touched(
    docker_env: DockerEnv, foreign_container: str
) -> None:
    assert await docker_env.engine.instances() == []
    await docker_env.engine.stop("theirs")
    with pytest.raises(EngineError, match="no instance theirs"):
        await docker_env.engine.run_command("theirs")


async def test_an_instance_that_is_being_stopped_is_draining_for_every_program(
    docker_env: DockerEnv,
) -> None:
    await docker_env.fleet.scale(1)
    (name,) = ids(docker_env.fleet.view)
    container = docker_env.container(name)
    docker_env.api.rename(container, names.stopping_name(name))
    (found,) = await docker_env.engine.instances()
    assert found.state is InstanceState.DRAINING
    docker_env.api.stop(container, timeout=5)
    (found,) = await docker_env.engine.instances()
    assert found.state is InstanceState.STOPPED
    view = await docker_env.fleet.scale(1)
    assert ids(view) != [name]
