"""A server on UNIX sockets, with TCP and without."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from serving.tf.messages import prediction_service_pb2_grpc
from tests.integration.model_server.calls import half
from tests.integration.model_server.conftest import RunningServer, StartServer
from tests.support.waiting import block_until


class Sockets:
    """Where a server listens, and the flags for that."""

    def __init__(self, folder: Path) -> None:
        self.grpc, self.rest = folder / "g", folder / "r"
        self.flags = (f"--grpc_socket_path={self.grpc}", f"--rest_api_socket_path={self.rest}")

    def half_plus_two(self) -> float:
        """Ask over gRPC for half of 2, plus 2."""
        with grpc.insecure_channel(f"unix:{self.grpc}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            return float(stub.Predict(half("m", 2.0), timeout=30).outputs["y"].float_val[0])

    def status(self) -> int:
        """Ask over REST."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.rest))) as client:
            return client.get("http://localhost/v1/models/m").status_code


@pytest.fixture
def sockets(tmp_path: Path) -> Sockets:
    folder = tmp_path / "s"
    folder.mkdir()
    return Sockets(folder)


def served(two: Path) -> tuple[str, str]:
    return "--model_name=m", f"--model_base_path={two.parent}"


def ports(server: RunningServer) -> list[int]:
    connections = psutil.Process(server.process.pid).net_connections("inet")
    return [each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN]


def wait_for_file(server: RunningServer) -> dict[str, int]:
    file = server.folder / "ports.json"
    block_until(file.exists, details=server.log)
    return dict(json.loads(file.read_text()))


def test_it_listens_on_both_by_default(
    start_server: StartServer, two: Path, sockets: Sockets
) -> None:
    server = start_server(*served(two), *sockets.flags)
    assert sorted(ports(server)) == sorted(server.ports.values())
    assert sockets.half_plus_two() == 3.0
    assert sockets.status() == 200
    for path in (sockets.grpc, sockets.rest):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.stop()
    assert not sockets.rest.exists()


def test_it_opens_no_port_if_it_is_not_to(
    start_server: StartServer, two: Path, sockets: Sockets
) -> None:
    server = start_server(*served(two), *sockets.flags, "--enable_tcp=false", wait=False)
    assert wait_for_file(server) == {}
    assert ports(server) == []
    assert sockets.half_plus_two() == 3.0
    assert sockets.status() == 200


def test_it_listens_again_where_it_was_killed(
    start_server: StartServer, two: Path, sockets: Sockets
) -> None:
    first = start_server(*served(two), *sockets.flags)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert sockets.rest.exists()
    start_server(*served(two), *sockets.flags)
    assert sockets.half_plus_two() == 3.0
    assert sockets.status() == 200


@pytest.mark.parametrize("flag", ["--rest_api_socket_path", "--grpc_socket_path"])
def test_a_path_that_cannot_be_listened_on_is_a_sentence(
    start_server: StartServer, two: Path, tmp_path: Path, flag: str
) -> None:
    server = start_server(*served(two), f"{flag}={tmp_path / ('x' * 120)}", wait=False)
    assert server.process.wait(60) == 1
    assert "API cannot listen on" in server.log()


def test_a_socket_of_another_server_is_not_taken(
    start_server: StartServer, two: Path, sockets: Sockets
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(sockets.rest))
        other.listen()
        flag = f"--rest_api_socket_path={sockets.rest}"
        server = start_server(*served(two), flag, wait=False)
        assert server.process.wait(60) == 1
        assert "Is another server running there?" in server.log()


def test_without_tcp_there_must_be_a_socket(start_server: StartServer, two: Path) -> None:
    server = start_server(*served(two), "--enable_tcp=false", wait=False)
    assert server.process.wait(60) == 1
    assert "--grpc_socket_path must be set" in server.log()
