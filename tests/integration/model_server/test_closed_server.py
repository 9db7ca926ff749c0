"""A server that the fleet starts: it takes orders from its own files alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from serving.tf.messages import get_model_status_pb2, model_management_pb2
from serving.tf.trust import version_digest
from tests.integration.model_server.calls import half_answer, refusal
from tests.integration.model_server.conftest import (
    QUICK,
    RunningServer,
    StartServer,
    config_text,
)
from tests.support.graphs import write_version, writes_at_load
from tests.support.waiting import block_until

NEVER_RETRIED = ("--max_num_load_retries=5", "--load_retry_interval_micros=60000000")


class Repository:
    """A folder of models with a configuration, and the flags of a server that is kept to it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.root.mkdir()
        self.config = self.root / "serving.config"
        self.trusted = self.root / "trusted.json"
        self.flags = (
            f"--model_config_file={self.config}",
            "--model_config_file_poll_wait_seconds=1",
            "--file_system_poll_wait_seconds=1",
            "--start_with_missing_models",
            "--refuse_config_reload",
            f"--model_root={self.root}",
            "--refuse_unsafe_models",
            f"--trusted_models_file={self.trusted}",
        )

    def serve(self, **models: Path) -> None:
        aside = self.root / ".aside"
        aside.write_text(config_text(models))
        aside.replace(self.config)


@pytest.fixture
def repository(tmp_path: Path, sample_models: Path) -> Repository:
    made = Repository(tmp_path)
    shutil.copytree(sample_models / "half_plus_two_2", made.root / "m")
    made.serve(m=made.root / "m")
    return made


def failure(server: RunningServer, model: str) -> str:
    """Wait until a model's only version has failed; return why."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model

    def reason() -> str:
        try:
            (row,) = server.models.GetModelStatus(request, timeout=30).model_version_status
        except (grpc.RpcError, ValueError):
            return ""
        return str(row.status.error_message) if row.state == row.END else ""

    block_until(lambda: bool(reason()), details=server.log)
    return reason()


def test_nobody_changes_what_it_serves(
    repository: Repository, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(*repository.flags)
    written = tmp_path / "written"
    write_version(tmp_path / "evil" / "1", writes_at_load(written, "harm"))
    request = model_management_pb2.ReloadConfigRequest()
    entry = request.config.model_config_list.config.add(name="evil", model_platform="tensorflow")
    entry.base_path = str(tmp_path / "evil")
    code, details = refusal(server.models.HandleReloadConfigRequest, request)
    assert code == "PERMISSION_DENIED"
    assert "takes no configuration from callers" in details
    assert half_answer(server) == 3.0
    assert server.states("evil") == {}
    assert not written.exists()


def test_a_server_started_by_hand_takes_a_configuration_and_any_model(
    start_server: StartServer, sample_models: Path, tmp_path: Path
) -> None:
    server = start_server(
        *QUICK, "--model_name=m", f"--model_base_path={sample_models / 'half_plus_two'}"
    )
    written = tmp_path / "written"
    write_version(tmp_path / "evil" / "1", writes_at_load(written, "harm"))
    request = model_management_pb2.ReloadConfigRequest()
    entry = request.config.model_config_list.config.add(name="evil", model_platform="tensorflow")
    entry.base_path = str(tmp_path / "evil")
    server.models.HandleReloadConfigRequest(request, timeout=30)
    assert written.read_text() == "harm"


def dropped_in(repository: Repository, evil: Path) -> Path:
    shutil.copytree(evil, repository.root / "evil" / "1")
    return repository.root / "evil"


def linked_version(repository: Repository, evil: Path) -> Path:
    (repository.root / "evil").mkdir()
    (repository.root / "evil" / "1").symlink_to(evil)
    return repository.root / "evil"


def linked_model(repository: Repository, evil: Path) -> Path:
    (repository.root / "evil").symlink_to(evil.parent)
    return repository.root / "evil"


def above(repository: Repository, evil: Path) -> Path:
    return repository.root / ".." / evil.parent.name


def elsewhere(_: Repository, evil: Path) -> Path:
    return evil.parent


@pytest.mark.parametrize("place", [dropped_in, linked_version, linked_model, above, elsewhere])
def test_a_model_that_does_more_than_compute_never_runs(
    repository: Repository,
    start_server: StartServer,
    tmp_path: Path,
    place: Callable[[Repository, Path], Path],
) -> None:
    written = tmp_path / "written"
    evil = write_version(tmp_path / "prepared" / "1", writes_at_load(written, "harm"))
    server = start_server(*repository.flags, *NEVER_RETRIED)
    repository.serve(m=repository.root / "m", evil=place(repository, evil))
    reason = failure(server, "evil")
    if place is dropped_in:
        assert "by WriteFile" in reason
        assert reason.endswith("`servery models trust evil --version 1`.")
    else:
        assert "outside of" in reason
    assert not written.exists()
    assert half_answer(server) == 3.0


def test_a_harmless_version_outside_of_the_repository_is_refused_too(
    repository: Repository, start_server: StartServer, sample_models: Path
) -> None:
    server = start_server(*repository.flags)
    repository.serve(m=repository.root / "m", other=sample_models / "half_plus_two_2")
    assert "the only folder that models are loaded from" in failure(server, "other")


def test_a_pipe_in_the_place_of_the_graph_keeps_no_thread_waiting(
    repository: Repository, start_server: StartServer
) -> None:
    server = start_server(*repository.flags, "--num_load_threads=1")
    folder = repository.root / "pipe" / "1"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "saved_model.pb")
    repository.serve(m=repository.root / "m", pipe=folder.parent)
    assert "neither a file nor a folder" in failure(server, "pipe")
    assert half_answer(server) == 3.0


def test_a_refused_version_is_loaded_as_soon_as_it_is_trusted(
    repository: Repository, start_server: StartServer, tmp_path: Path
) -> None:
    written = tmp_path / "written"
    folder = write_version(repository.root / "own" / "1", writes_at_load(written, "wanted"))
    repository.serve(m=repository.root / "m", own=folder.parent)
    server = start_server(*repository.flags, *NEVER_RETRIED)
    assert "nobody has said that it is trusted" in failure(server, "own")
    repository.trusted.write_text(json.dumps({version_digest(folder): "own/1"}))
    server.wait_for_states("own", {1: "AVAILABLE"})
    assert written.read_text() == "wanted"
