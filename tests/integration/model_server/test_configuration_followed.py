"""A server with the original's default flags follows a new configuration at once.

By default a version that fails is tried five times more, a minute apart.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format

from serving.tf.messages import model_management_pb2
from tests.integration.model_server.calls import half_answer
from tests.integration.model_server.conftest import (
    RunningServer,
    StartServer,
    add_version,
    config_text,
)

FOLLOWS = "--model_config_file_poll_wait_seconds=1"


class Config:
    """A configuration file with the model `m`, pinned to one version."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.path = folder / "models.config"
        self.model = model

    def pin(self, number: int) -> None:
        policy = f"model_version_policy {{ specific {{ versions: {number} }} }}"
        aside = self.path.with_suffix(".aside")
        aside.write_text(config_text({"m": self.model}, extra=policy))
        aside.replace(self.path)


@pytest.fixture
def config(tmp_path: Path, two: Path) -> Config:
    """Version 1 is good, 2 is no graph, 3 is a pipe that nobody writes to."""
    model = tmp_path / "model"
    model.mkdir()
    add_version(two, model, 1)
    for number in (2, 3):
        shutil.copytree(two, model / str(number))
        (model / str(number) / "saved_model.pb").unlink()
    (model / "2" / "saved_model.pb").write_bytes(b"no graph")
    os.mkfifo(model / "3" / "saved_model.pb")
    return Config(tmp_path, model)


def reload(server: RunningServer, text: str) -> grpc.Future:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(text, request.config)
    return server.models.HandleReloadConfigRequest.future(request, timeout=60)


@pytest.mark.parametrize("bad", [2, 3])
def test_rolling_back_does_not_wait_for_a_version_that_does_not_load(
    start_server: StartServer, config: Config, bad: int
) -> None:
    config.pin(1)
    server = start_server(f"--model_config_file={config.path}", FOLLOWS)
    # Again and again: each such load keeps a thread that never ends.
    for _ in range(4):
        config.pin(bad)
        server.wait_for_states("m", {bad: "LOADING", 1: "AVAILABLE"})
        config.pin(1)
        server.wait_for_states("m", {bad: "END", 1: "AVAILABLE"})
    assert half_answer(server) == 3.0
    add_version(config.model / "1", config.model, 4)
    config.pin(4)
    server.wait_for_states("m", {4: "AVAILABLE", 1: "END"})
    assert server.stop() == 0


@pytest.mark.parametrize("bad", [2, 3])
def test_a_server_that_starts_with_what_does_not_load_follows_too(
    start_server: StartServer, config: Config, bad: int
) -> None:
    config.pin(bad)
    server = start_server(f"--model_config_file={config.path}", FOLLOWS, wait=False)
    if bad == 2:
        server.wait_for_log("version 2 failed to load")
    config.path.with_suffix(".other").write_text("not a configuration")
    config.path.with_suffix(".other").replace(config.path)
    config.pin(1)
    server.wait()
    assert half_answer(server) == 3.0


def test_a_server_whose_first_version_never_loads_can_be_stopped(
    start_server: StartServer, config: Config, two: Path
) -> None:
    config.path.write_text(config_text({"m": config.model, "good": two.parent}))
    server = start_server(f"--model_config_file={config.path}", wait=False)
    # Both are loaded at once, and the other one has begun before this one is done.
    server.wait_for_log("Model good version 123 is available")
    assert server.stop() == 0


def test_a_reload_takes_the_place_of_one_that_waits(
    start_server: StartServer, config: Config, two: Path, tmp_path: Path
) -> None:
    config.pin(1)
    server = start_server(f"--model_config_file={config.path}", FOLLOWS)
    absent = tmp_path / "absent"
    waiting = reload(server, config_text({"m": config.model, "absent": absent}))
    server.wait_for_log("Model absent:")
    other = config_text({"m": two.parent})
    assert reload(server, other).result().status.error_code == 0
    assert waiting.exception().code() is grpc.StatusCode.ABORTED
    server.wait_for_states("m", {123: "AVAILABLE"})
    # The file has not changed: it does not take the place of what was applied after it.
    config.pin(1)
    server.wait_for_states("m", {123: "AVAILABLE"})


def test_a_configuration_that_is_replaced_is_read_before_the_next_poll(
    start_server: StartServer, config: Config
) -> None:
    config.pin(1)
    seldom = "--model_config_file_poll_wait_seconds=100000"
    server = start_server(f"--model_config_file={config.path}", seldom)
    add_version(config.model / "1", config.model, 4)
    config.pin(4)
    server.wait_for_states("m", {4: "AVAILABLE", 1: "END"})
