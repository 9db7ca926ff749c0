"""What another user of the machine reaches of a fleet: nothing, or predictions if that is set."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from serving.engines.process import ProcessEngine
from serving.fleet.record import InstanceLimits
from serving.fleet.view import InstanceView
from serving.socket_address import socket_path
from serving.tf.messages import model_management_pb2
from serving.workspace import Workspace
from tests.support.curl_as_nobody import RELOAD, framed, grpc_call, run_as_nobody
from tests.support.fleet_env import TinyFleet, open_tiny_fleet
from tests.support.graphs import write_version, writes_at_load
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

CURL_COULD_NOT_CONNECT = 7


def listening_ports(process: int) -> list[int]:
    """Return the TCP ports that a process, or a child of it, listens on."""
    program = psutil.Process(process)
    return [
        connection.laddr.port
        for each in (program, *program.children(recursive=True))
        for connection in each.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]


def sockets(each: InstanceView) -> list[Path]:
    addresses = (each.instance.grpc_address, each.instance.rest_address)
    return [Path(socket_path(address or "") or "") for address in addresses]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A model that nobody prepared, in a folder that everybody may read."""
    folder = tmp_path / "prepared"
    write_version(folder / "1", writes_at_load(tmp_path / "written", "harm"))
    for path in (tmp_path, folder, *folder.rglob("*")):
        path.chmod(0o755)
    return folder


def reload_request(folder: Path) -> bytes:
    request = model_management_pb2.ReloadConfigRequest()
    entry = request.config.model_config_list.config.add(name="evil", model_platform="tensorflow")
    entry.base_path = str(folder)
    return framed(request.SerializeToString())


async def test_an_instance_opens_no_port_and_its_sockets_are_the_persons(
    tiny: TinyFleet, prepared: Path, tmp_path: Path
) -> None:
    (each,) = (await tiny.fleet.scale(1)).instances
    assert listening_ports(tiny.process(0)) == []
    for path in sockets(each):
        assert mode(path) == 0o600
        assert mode(path.parent) == 0o700
        attack = grpc_call(RELOAD, "--unix-socket", str(path), "http://localhost")
        result = await asyncio.to_thread(run_as_nobody, *attack, data=reload_request(prepared))
        assert result.returncode == CURL_COULD_NOT_CONNECT, result
    assert not (tmp_path / "written").exists()
    assert (await tiny.client.classify(image_bytes("red"))).scores[0].name == "red"


async def test_its_requests_are_counted_over_the_socket(tiny: TinyFleet) -> None:
    await tiny.fleet.scale(1)
    await tiny.client.classify(image_bytes("red"))
    # The probe's prediction counts too: only the server itself knows of that.
    with tiny.fleet.observe_often():  # which is when it is asked
        await wait_until(lambda: tiny.fleet.view.instances[0].requests >= 2)


async def test_over_tcp_others_get_predictions_and_nothing_else(
    tiny: TinyFleet, prepared: Path, tmp_path: Path
) -> None:
    await tiny.fleet.scale(1)
    await tiny.fleet.set_limits(InstanceLimits(tcp=True))
    (each,) = (await tiny.fleet.wait_until_converged()).instances
    grpc, rest = each.instance.grpc_tcp_address, each.instance.rest_tcp_address
    ports = {int(str(address).removeprefix("127.0.0.1:")) for address in (grpc, rest)}
    assert set(listening_ports(tiny.process(0))) == ports
    attack = grpc_call(RELOAD, f"http://{grpc}")
    result = await asyncio.to_thread(run_as_nobody, *attack, data=reload_request(prepared))
    assert b"grpc-status: 7" in result.stdout, result
    asked = ("curl", "--silent", f"http://{rest}/v1/models/{tiny.fleet.view.model}")
    status = await asyncio.to_thread(run_as_nobody, *asked)
    assert b'"AVAILABLE"' in status.stdout
    assert not (tmp_path / "written").exists()
    await tiny.fleet.set_limits(InstanceLimits())
    await tiny.fleet.wait_until_converged()
    assert listening_ports(tiny.process(0)) == []


@pytest.fixture
async def far_away(tmp_path: Path) -> AsyncIterator[TinyFleet]:
    """A fleet on a workspace whose path is too long for a socket, and of unusual characters."""
    workspace = Workspace(tmp_path / ("x" * 90) / "a %41#b?c é").create()
    async with open_tiny_fleet(workspace, ProcessEngine(workspace)) as made:
        yield made


async def test_a_path_that_is_too_long_for_a_socket_is_no_obstacle(far_away: TinyFleet) -> None:
    (each,) = (await far_away.fleet.scale(1)).instances
    folders = {path.parent for path in sockets(each)}
    (folder,) = folders
    assert mode(folder) == 0o700
    assert (await far_away.client.classify(image_bytes("red"))).scores[0].name == "red"
    assert listening_ports(far_away.process(0)) == []
    await far_away.fleet.scale(0)
    assert not folder.exists()


@pytest.fixture
async def unusual(tmp_path: Path) -> AsyncIterator[TinyFleet]:
    workspace = Workspace(tmp_path / "a %41#b?c é").create()
    async with open_tiny_fleet(workspace, ProcessEngine(workspace)) as made:
        yield made


async def test_a_path_with_special_characters_of_an_address_works(unusual: TinyFleet) -> None:
    (each,) = (await unusual.fleet.scale(1)).instances
    assert all(path.is_socket() for path in sockets(each))
    assert (await unusual.client.classify(image_bytes("red"))).scores[0].name == "red"
    with unusual.fleet.observe_often():  # which is when it is asked
        await wait_until(lambda: unusual.fleet.view.instances[0].requests >= 2)
