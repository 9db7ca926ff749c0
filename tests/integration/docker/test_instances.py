"""What one instance in a container is like, and what the fleet says when others meddle with it."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import time
from collections.abc import Callable
from contextlib import aclosing

import psutil
import pytest

from serving.engines.docker import names
from serving.engines.docker.container import FULL_SHARE, STARTING_SHARE
from serving.engines.protocol import InstanceSpec, InstanceState
from serving.errors import EngineError
from serving.fleet.fleet import FleetView
from serving.fleet.record import Limits
from tests.integration.docker import images
from tests.integration.docker.ground import MODEL, DockerGround, has_failed, ids, view_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SHOWN_SECONDS = 2.0
"""How soon the fleet shows what was done to a container from outside."""


async def test_a_container_is_shut_in_and_listens_on_loopback_only(ground: DockerGround) -> None:
    limits = Limits(memory_limit=256 * 2**20, cpu_limit=0.5)
    await ground.fleet.limit(limits)
    view = await ground.fleet.scale(1)
    (row,) = ground.containers()
    assert {port["IP"] for port in row["Ports"]} == {"127.0.0.1"}
    assert {port["PrivatePort"] for port in row["Ports"]} == {8500, 8501}
    said = ground.api.inspect_container(row["Id"])
    host = said["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] == limits.memory_limit
    assert host["NanoCpus"] == 500_000_000
    assert not host["Privileged"]
    (mount,) = said["Mounts"]
    assert (mount["RW"], mount["Source"]) == (False, mount["Destination"])
    process = psutil.Process(said["State"]["Pid"])
    assert process.uids().real not in (0,)
    assert view.instances[0].version == 1

    def measured(view: FleetView) -> bool:
        stats = view.instances[0].stats
        return stats is not None and 10 * 2**20 < stats.memory_bytes < limits.memory_limit

    async with ground.watching():
        await ground.until(measured, 10)


async def test_the_command_that_is_shown_makes_the_same_container(ground: DockerGround) -> None:
    view = await ground.fleet.scale(1)
    instance = view.instances[0].instance
    command = await ground.engine.run_command(instance.id)
    before = ground.api.inspect_container(ground.container(instance.id))
    await ground.fleet.stop()
    made = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", command], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    after = ground.api.inspect_container(made.stdout.strip())
    for key in ("Image", "Cmd", "User", "Entrypoint"):
        assert after["Config"][key] == before["Config"][key], key
    assert set(before["Config"]["Env"]) == set(after["Config"]["Env"])
    for key in ("CapDrop", "SecurityOpt", "ReadonlyRootfs", "Tmpfs", "Memory", "LogConfig"):
        assert after["HostConfig"][key] == before["HostConfig"][key], key
    assert after["Mounts"] == before["Mounts"]
    assert shlex.split(command.replace("\\\n", " "))[:3] == ["docker", "run", "--detach"]


async def test_logs_are_read_followed_and_kept_when_an_instance_failed(
    ground: DockerGround,
) -> None:
    view = await ground.fleet.scale(1)
    name = view.instances[0].instance.id
    assert "the stand-in server begins" in await ground.engine.logs(name)
    async with asyncio.timeout(10), aclosing(ground.engine.follow_logs(name)) as lines:
        assert await anext(lines) == "the stand-in server begins"
        following = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0.3)
        assert not following.done()
        ground.api.kill(ground.container(name))
        with pytest.raises(StopAsyncIteration):
            await following
    await ground.engine.stop(name)
    assert ground.containers() == []
    kept = await ground.engine.logs(name)
    assert "the stand-in server begins" in kept
    assert "SIGKILL" in kept
    with pytest.raises(EngineError, match="no instance nobody"):
        await ground.engine.logs("nobody")


async def test_a_follower_that_stops_looking_is_let_go_at_once(ground: DockerGround) -> None:
    view = await ground.fleet.scale(1)
    lines = ground.engine.follow_logs(view.instances[0].instance.id)
    await anext(lines)
    began = time.monotonic()
    await lines.aclose()
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("meddle", "words"),
    [
        (lambda ground, container: ground.api.stop(container, timeout=5), "SIGTERM"),
        (lambda ground, container: ground.api.pause(container), "paused from outside"),
        (lambda ground, container: ground.api.kill(container), "SIGKILL"),
    ],
    ids=["stop", "pause", "kill"],
)
async def test_what_others_do_to_a_container_shows_with_the_reason(
    ground: DockerGround, meddle: Callable[[DockerGround, str], None], words: str
) -> None:
    async with ground.running():
        await ground.fleet.scale(1)
    async with ground.watching():
        (name,) = ids(await ground.until(lambda view: view.ready == 1))
        await asyncio.to_thread(meddle, ground, ground.container(name))
        began = time.monotonic()
        await ground.until(has_failed(name, words))
        assert time.monotonic() - began < SHOWN_SECONDS
    async with ground.running():
        view = await ground.until(lambda view: view.ready == 1)
        assert ids(view) != [name]
    assert len(ground.containers()) == 1


async def test_a_container_that_others_remove_is_gone_and_replaced(ground: DockerGround) -> None:
    await ground.fleet.scale(1)
    async with ground.watching():
        (name,) = ids(await ground.until(lambda view: view.ready == 1))
        ground.api.remove_container(ground.container(name), force=True)
        began = time.monotonic()
        await ground.until(lambda view: not view.instances)
        assert time.monotonic() - began < SHOWN_SECONDS
    async with ground.running():
        await ground.until(lambda view: view.ready == 1)


async def test_running_out_of_memory_is_told_with_the_limit(ground: DockerGround) -> None:
    await ground.fleet.limit(Limits(memory_limit=160 * 2**20))
    await ground.fleet.scale(1)
    async with ground.watching():
        (name,) = ids(await ground.until(lambda view: view.ready == 1))
        ground.behave(eat=True)
        container = ground.container(name)
        ended = asyncio.create_task(asyncio.to_thread(ground.api.wait, container, timeout=60))
        await ended
        began = time.monotonic()
        await ground.until(has_failed(name, "more memory than its limit of 160 MiB"))
        assert time.monotonic() - began < SHOWN_SECONDS


async def test_a_server_that_ends_at_once_is_an_error_with_its_last_words(
    ground: DockerGround,
) -> None:
    ground.behave(exit=3)
    with pytest.raises(EngineError, match=r"exit status 3.*the model is broken"):
        async with asyncio.timeout(60):
            await ground.fleet.scale(1)


async def test_an_instance_that_is_restarted_from_outside_joins_again(
    ground: DockerGround, picture: bytes
) -> None:
    both = ids(await ground.fleet.scale(2))
    async with ground.running():
        name = ids(await ground.until(lambda view: view.ready == 2))[0]
        before = ground.fleet.view.instances[0].instance.grpc_address
        await asyncio.to_thread(ground.api.restart, ground.container(name), 5)

        def ready_again(view: FleetView) -> bool:
            each = view_of(view, name)
            return each is not None and each.state is InstanceState.READY and view.ready == 2

        await ground.until(lambda view: not ready_again(view), 5)
        view = await ground.until(ready_again)
        each = view_of(view, name)
        assert each is not None
        assert each.instance.grpc_address != before
        assert sorted(ids(view)) == sorted(both)
        async with asyncio.timeout(2):
            while (await ground.client.classify(picture)).instance_id != name:
                pass


async def test_an_instance_leaves_the_processor_to_the_others_until_it_is_ready(
    ground: DockerGround,
) -> None:
    spec = InstanceSpec(MODEL, ground.repository.config_path(MODEL).resolve())
    started = await ground.engine.start(spec)

    def share(instance_id: str) -> int:
        said = ground.api.inspect_container(ground.container(instance_id))
        return int(said["HostConfig"]["CpuShares"])

    assert share(started.id) == STARTING_SHARE
    await ground.engine.full_share(started.id)
    assert share(started.id) == FULL_SHARE
    await ground.engine.stop(started.id)
    await ground.engine.full_share(started.id)
    ready = ids(await ground.fleet.scale(2))
    async with ground.running():
        await ground.until(lambda view: all(share(name) == FULL_SHARE for name in ready))


async def test_what_was_created_and_never_started_is_cleared_away(ground: DockerGround) -> None:
    labels = names.labels(ground.workspace, "pets-lost", MODEL, "0")
    labels[names.STARTER] = labels[names.STARTER].replace(" ", " 99999", 1)
    made = ground.api.create_container(
        ground.image, labels=labels, name=f"servery-pets-lost-{images.TOKEN}"
    )
    (found,) = await ground.engine.instances()
    assert (found.id, found.state) == ("pets-lost", InstanceState.STOPPED)
    assert "ended while it was starting" in found.failure
    view = await ground.fleet.scale(1)
    assert view.ready == 1
    assert made["Id"] not in [row["Id"] for row in ground.containers()]


async def test_a_folder_that_cannot_be_mounted_is_said_and_leaves_nothing(
    ground: DockerGround,
) -> None:
    missing = ground.workspace.models / "gone" / "serving.config"
    with pytest.raises(EngineError, match="no version of pets is live"):
        await ground.engine.start(InstanceSpec(model=MODEL, config_file=missing))
    config_file = ground.repository.config_path(MODEL).resolve()
    spec = InstanceSpec(model=MODEL, config_file=config_file, image="nobody/nothing:1")
    with pytest.raises(EngineError, match="does not have the image nobody/nothing:1"):
        await ground.engine.start(spec)
    assert ground.containers() == []


async def test_a_container_of_somebody_else_is_not_seen_and_not_touched(
    ground: DockerGround, foreign: str
) -> None:
    assert await ground.engine.instances() == []
    await ground.engine.stop("theirs")
    with pytest.raises(EngineError, match="no instance theirs"):
        await ground.engine.run_command("theirs")


async def test_what_is_being_stopped_is_draining_to_every_program(ground: DockerGround) -> None:
    await ground.fleet.scale(1)
    (name,) = ids(ground.fleet.view)
    container = ground.container(name)
    ground.api.rename(container, names.stopping_name(name))
    (found,) = await ground.engine.instances()
    assert found.state is InstanceState.DRAINING
    ground.api.stop(container, timeout=5)
    (found,) = await ground.engine.instances()
    assert found.state is InstanceState.STOPPED
    view = await ground.fleet.scale(1)
    assert ids(view) != [name]
