"""Real servers over models that TensorFlow itself wrote."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from filelock import FileLock

from serving.models.repository import ModelRepository
from serving.tf.messages import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)
from tests.support.tiny_model import install_tiny
from tests.support.waiting import block_until

ROOT = Path(__file__).resolve().parents[3]
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_TIMEOUT_SECONDS = 60.0
QUICK = ("--file_system_poll_wait_seconds=1", "--max_num_load_retries=0")
"""Flags by which a server notices and gives up soon."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model's only version."""
    return install_tiny(ModelRepository(tmp_path_factory.mktemp("models"))).path


@pytest.fixture(scope="session")
def sample_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with every sample model, for all processes of a test run; copy what changes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sample_models"
    with FileLock(f"{folder}.lock"):
        made = folder.with_suffix(".made")
        if not made.exists():
            # TensorFlow, which writes them, takes ten seconds. In place: one has an asset's path.
            subprocess.run(
                [sys.executable, "-m", "tests.integration.model_server.sample_models", str(folder)],
                cwd=ROOT,
                check=True,
                capture_output=True,
                timeout=200,
            )
            made.touch()
    return folder


@dataclass
class Reply:
    """One HTTP response."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _reply(status: int, response: Any) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(status, response.read(), headers["content-type"], headers)


@dataclass
class RunningServer:
    """A server process and the ways to talk to it."""

    process: subprocess.Popen[str]
    folder: Path
    ports: dict[str, int] = field(default_factory=dict)

    def wait(self) -> RunningServer:
        """Wait until it listens."""
        file = self.folder / "ports.json"

        def listens() -> bool:
            assert self.process.poll() is None, self.log()
            return file.exists()

        block_until(listens, details=self.log)
        self.ports = json.loads(file.read_text())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.ports['grpc']}", _UNLIMITED)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)
        return self

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def wait_for_log(self, text: str) -> None:
        """Wait until the log contains `text`."""

        def is_logged() -> bool:
            assert self.process.poll() is None, self.log()
            return text in self.log()

        block_until(is_logged, details=self.log)

    def http(
        self,
        path: str,
        body: bytes | str | dict[str, Any] | None = None,
        *,
        verb: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        if isinstance(body, dict):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['rest']}{path}",
            body,
            headers or {},
            method=verb,
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
                return _reply(response.status, response)
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, error)

    def states(self, model: str) -> dict[int, str]:
        """State names by version, in the order given."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        try:
            rows = self.models.GetModelStatus(
                request, timeout=_TIMEOUT_SECONDS
            ).model_version_status
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return {}
            raise
        return {row.version: row.State.Name(row.state) for row in rows}

    def wait_for_states(self, model: str, expected: dict[int, str]) -> None:
        """Wait until these versions are in these states."""
        block_until(
            lambda: expected.items() <= self.states(model).items(),
            details=lambda: f"{self.states(model)} instead of {expected}\n{self.log()}",
        )

    def connect(self) -> None:
        """Open the connection now; calls that have to wait for it are sent in any order."""
        grpc.channel_ready_future(self.channel).result(_TIMEOUT_SECONDS)

    def wait_until_accepted(self) -> None:
        """Wait until the server has accepted the calls that were sent since `connect`.

        Those of one open connection arrive in order, and this one needs no computation.
        """
        self.states("any")

    def stop(self) -> int:
        """Send SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_TIMEOUT_SECONDS)


StartServer = Callable[..., RunningServer]


@pytest.fixture(scope="session")
def server_processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Every server that was started; they are ended with the session."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def launch(processes: list[subprocess.Popen[str]], folder: Path, *arguments: str) -> RunningServer:
    """Start a server with these flags, without waiting for it."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "serving.model_server",
        "--port=0", "--rest_api_port=0", f"--ports_file={folder / 'ports.json'}",
        "--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=1",
        *arguments,
    ]  # fmt: skip
    with (folder / "log.txt").open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    processes.append(process)
    return RunningServer(process, folder)


@pytest.fixture
def start_server(
    server_processes: list[subprocess.Popen[str]], tmp_path: Path
) -> Iterator[StartServer]:
    """Start servers for one test: `start_server(*flags)`; `wait=False` does not wait."""
    started: list[RunningServer] = []

    def start(*arguments: str, wait: bool = True) -> RunningServer:
        folder = tmp_path / f"server-{len(started)}"
        server = launch(server_processes, folder, *arguments)
        started.append(server)
        return server.wait() if wait else server

    yield start
    for server in started:
        server.process.terminate()
    for server in started:
        server.process.wait(_TIMEOUT_SECONDS)


def config_text(models: dict[str, Path], *, extra: str = "") -> str:
    """A `ModelServerConfig` in text form; `extra` goes into every model."""
    entries = "".join(
        f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" {extra} }}\n'
        for name, path in models.items()
    )
    return f"model_config_list {{ {entries} }}"


@pytest.fixture(scope="session")
def sample_server(
    server_processes: list[subprocess.Popen[str]],
    sample_models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunningServer:
    """One server with every sample model, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("zoo")
    names = ("half_plus_two", "half_plus_two_2", "lookup", "counter", "odds")
    config = folder / "models.config"
    config.write_text(config_text({name: sample_models / name for name in names}))
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    return launch(
        server_processes,
        folder / "run",
        f"--model_config_file={config}",
        f"--monitoring_config_file={folder / 'monitoring.config'}",
        "--enable_grpc_healthcheck_service",
        "--enable_reflection_service",
    ).wait()


def add_version(source: Path, model: Path, number: int) -> Path:
    """Copy a version's folder beside the others, then rename it into place."""
    staging = model / f"staging-{number}"
    shutil.copytree(source, staging)
    return staging.rename(model / str(number))


@pytest.fixture
def two(sample_models: Path) -> Path:
    return sample_models / "half_plus_two" / "00000123"
