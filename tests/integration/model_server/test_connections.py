"""Connections that are left unfinished keep nobody out, however few files may be open."""

from __future__ import annotations

import resource
from pathlib import Path

import grpc
import pytest

from serving.tf.messages import get_model_status_pb2, model_service_pb2_grpc
from tests.integration.model_server.conftest import RunningServer, StartServer
from tests.support import slow_clients
from tests.support.slow_clients import unfinished
from tests.support.waiting import TIMEOUT_SECONDS

FEW_FILES = 64


@pytest.fixture
def server(start_server: StartServer, sample_models: Path) -> RunningServer:
    """A server that may open few files, from before it listens."""
    flags = ("--model_name=half", f"--model_base_path={sample_models / 'half_plus_two'}")
    started = start_server(*flags, wait=False)
    resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
    return started.wait()


def answers_over_grpc(server: RunningServer) -> bool:
    """Ask on a connection of its own."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "half"
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.ports['grpc']}", own) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        response = stub.GetModelStatus(request, timeout=TIMEOUT_SECONDS, wait_for_ready=True)
        return bool(response.model_version_status)


@pytest.mark.parametrize("kind", ["HEAD", "BODY", "CHUNKS", "WHOLE"])
def test_unfinished_requests_keep_nobody_out(server: RunningServer, kind: str) -> None:
    with unfinished(server.ports["rest"], [getattr(slow_clients, kind)] * 80):
        for _ in range(3):
            assert server.http("/v1/models/half").status == 200
        assert answers_over_grpc(server)
    assert server.process.poll() is None


@pytest.mark.parametrize("sent", [b"", b"PRI * HTTP/2.0\r\n"], ids=["nothing", "half a preface"])
def test_half_open_grpc_connections_keep_nobody_out(server: RunningServer, sent: bytes) -> None:
    with unfinished(server.ports["grpc"], [sent] * 80):
        assert server.http("/v1/models/half").status == 200
        assert answers_over_grpc(server)
    assert server.process.poll() is None
    assert "Too many open files" not in server.log()
