from __future__ import annotations

from pathlib import Path

import pytest

from serving.engines.choose import choose_engine
from serving.engines.process import ProcessEngine
from serving.errors import EngineError
from serving.workspace import Workspace


async def test_processes_are_there_for_whoever_asks_for_them(workspace: Workspace) -> None:
    engine = await choose_engine("process", workspace)
    assert isinstance(engine, ProcessEngine)
    availability = await engine.availability()
    assert availability.usable
    assert "nothing else to install" in availability.reason


async def test_an_unknown_engine_is_refused_with_the_known_ones(workspace: Workspace) -> None:
    with pytest.raises(EngineError, match="auto, docker, process"):
        await choose_engine("steam", workspace)


async def test_without_an_engine_for_containers_processes_say_why(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    engine = await choose_engine("auto", workspace)
    assert engine.name == "process"
    reason = (await engine.availability()).reason
    assert "Instances run as processes of this machine." in reason
    assert "DOCKER_HOST" in reason
    assert "Nothing is there." in reason


async def test_docker_that_is_asked_for_and_not_there_is_an_error_with_a_way_on(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError) as caught:
        await choose_engine("docker", workspace)
    assert "none.sock" in caught.value.what
    assert "Start Docker" in caught.value.advice
    assert "another engine in the settings" in caught.value.advice
