"""`servery engine`, with something that answers like an engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from desktop.cli import main
from serving.engines.engine_address import EngineAddress, chosen_address, save_address
from serving.workspace import Workspace
from tests.support.docker.fake_docker_api import DOCKER_ANSWERS, FakeDockerApi


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


def servery(workspace: Workspace, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--workspace", str(workspace.root), "engine", *arguments])


def test_an_engine_is_chosen_and_shown(workspace: Workspace, tmp_path: Path) -> None:
    socket = tmp_path / "engine.sock"
    with FakeDockerApi(socket, DOCKER_ANSWERS):
        used = servery(workspace, "use", f"unix://{socket}")
        assert (used.exit_code, used.stdout) == (0, "")
        assert f"answers at unix://{socket}, chosen for this workspace" in used.stderr
        shown = json.loads(servery(workspace, "--json").stdout)
        assert (shown["chosen"], shown["answers"]) == (f"unix://{socket}", True)
    gone = servery(workspace)
    assert gone.exit_code == 0
    assert "No container engine answers" in gone.stdout


def test_one_that_does_not_answer_is_refused_unless_unchecked(
    workspace: Workspace, tmp_path: Path
) -> None:
    url = f"unix://{tmp_path}/nothing.sock"
    refused = servery(workspace, "use", url)
    assert refused.exit_code == 1
    assert "Nothing is there" in refused.stderr
    assert chosen_address(workspace).automatic
    assert servery(workspace, "use", url, "--unchecked").exit_code == 0
    assert chosen_address(workspace) == EngineAddress(url=url)


def test_a_variable_that_names_another_one_is_said(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_address(workspace, EngineAddress(url="ssh://ada@workshop"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    shown = servery(workspace)
    assert "DOCKER_HOST is set, so ssh://ada@workshop is not used." in shown.stderr


def test_without_contexts_it_says_how_to_make_one(workspace: Workspace) -> None:
    assert "docker context create" in servery(workspace, "contexts").stderr


def test_another_machine_without_certificates_is_refused(workspace: Workspace) -> None:
    refused = servery(workspace, "use", "tcp://192.0.2.1:2376", "--unchecked")
    assert refused.exit_code == 1
    assert "would be reached without TLS" in refused.stderr
