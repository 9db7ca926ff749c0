from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.engines.choose import awaited_engine, choose_engine, engine_with_instances
from serving.engines.docker.image.constants import OWN_IMAGE
from serving.engines.process import ProcessEngine
from serving.engines.protocol import InstanceSpec
from serving.errors import EngineError
from serving.workspace import Workspace
from tests.support.docker.fake_docker_api import DOCKER_ANSWERS, FakeDockerApi
from tests.support.fleet_env import PRETENDING


async def test_the_process_engine_can_be_chosen_by_name(workspace: Workspace) -> None:
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
    assert "Running as processes." in reason
    assert "DOCKER_HOST" in reason
    assert "Nothing is there." in reason


async def test_requesting_an_absent_docker_is_an_error_with_advice(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError) as caught:
        await choose_engine("docker", workspace)
    assert "none.sock" in caught.value.what
    assert "Start Docker" in caught.value.advice
    assert "another engine in the settings" in caught.value.advice


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDockerApi]:
    """An engine that has our own image and no containers."""
    answers = {
        **DOCKER_ANSWERS,
        f"/images/{OWN_IMAGE}/json": {"Config": {}},
        "/images/tensorflow/serving:2.19.1/json": 404,
        "/containers/json": [],
    }
    with FakeDockerApi(tmp_path / "docker.sock", answers) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.endpoint.url)
        yield engine


async def test_docker_is_preferred_where_it_has_an_image(
    workspace: Workspace, docker: FakeDockerApi
) -> None:
    for name in ("auto", "docker"):
        engine = await choose_engine(name, workspace)
        assert engine.name == "docker"
        reason = (await engine.availability()).reason
        assert "Docker Engine 27.1.0 answers" in reason
        assert f"from the image {OWN_IMAGE}" in reason
        await engine.close()


@pytest.fixture
async def running(workspace: Workspace) -> AsyncIterator[ProcessEngine]:
    """Processes that run an instance of the workspace."""
    engine = ProcessEngine(workspace, program=PRETENDING)
    instance = await engine.start(InstanceSpec(workspace.root / "serving.config"))
    yield engine
    await engine.stop(instance.id, grace=0)


async def test_a_later_program_joins_the_running_processes(
    workspace: Workspace, docker: FakeDockerApi, running: ProcessEngine
) -> None:
    engine = await choose_engine("auto", workspace)
    assert engine.name == "process"
    assert "They are running already" in (await engine.availability()).reason
    (instance,) = await running.instances()
    await running.stop(instance.id, grace=0)
    engine = await choose_engine("auto", workspace)
    assert engine.name == "docker"
    await engine.close()


async def test_a_watching_program_follows_the_instances_to_the_other_engine(
    workspace: Workspace, docker: FakeDockerApi, running: ProcessEngine
) -> None:
    watching = await choose_engine("docker", workspace)
    other = await engine_with_instances(watching, workspace)
    assert other is not None
    assert other.name == "process"
    assert await engine_with_instances(other, workspace) is None
    (instance,) = await running.instances()
    await running.stop(instance.id, grace=0)
    assert await engine_with_instances(watching, workspace) is None
    assert await engine_with_instances(other, workspace) is None
    await watching.close()


async def test_an_engine_that_comes_up_later_is_usable_then(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "later.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    engine = await awaited_engine("docker", workspace)
    assert not (await engine.availability()).usable
    assert (await choose_engine("auto", workspace)).name == "process"
    answers: dict[str, Any] = {
        **DOCKER_ANSWERS,
        f"/images/{OWN_IMAGE}/json": 404,
        "/containers/json": [],
    }
    with FakeDockerApi(socket, answers):
        assert not (await engine.availability()).usable
        answers[f"/images/{OWN_IMAGE}/json"] = {"Config": {}}
        assert (await engine.availability()).usable
    assert not (await engine.availability()).usable
    await engine.close()
