"""Which container engine a person chose, and what becomes of the choice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from serving.engines.choose import awaited_engine, choose_engine
from serving.engines.docker.chosen_engine import (
    candidates_of,
    check_address,
    choose,
    parse_address,
)
from serving.engines.docker.endpoints import HostEnvironment, candidate_endpoints, docker_contexts
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.errors import EngineUnavailable
from serving.engines.engine_address import (
    EngineAddress,
    chosen_address,
    read_address,
    save_address,
)
from serving.errors import EngineError
from serving.state_files import DamagedFile
from serving.workspace import Workspace
from tests.support.docker.fake_docker_api import DOCKER_ANSWERS, FakeDockerApi


def host(home: Path, **environment: str) -> HostEnvironment:
    return HostEnvironment(environment, home, "linux", 1000)


def write_context(home: Path, name: str, url: str) -> Path:
    """Keep a context as the `docker` command does; returns the folder for its certificates."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": url}}}))
    return home / ".docker/contexts/tls" / digest / "docker"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("auto", EngineAddress()),
        ("", EngineAddress()),
        ("workshop", EngineAddress(context="workshop")),
        ("ssh://ada@workshop", EngineAddress(url="ssh://ada@workshop", certificates="/c")),
        ("/run/docker.sock", EngineAddress(url="/run/docker.sock", certificates="/c")),
    ],
)
def test_what_is_typed_is_a_context_or_an_address(text: str, address: EngineAddress) -> None:
    assert parse_address(text, "/c") == address


def test_a_choice_is_kept_in_the_workspace(workspace: Workspace) -> None:
    assert chosen_address(workspace).automatic
    address = EngineAddress(url="tcp://192.0.2.1:2376", certificates="/certificates")
    save_address(workspace, address)
    assert read_address(workspace.engine_address) == address == chosen_address(workspace)


@pytest.mark.parametrize("content", ["", "[]", '{"url": 5}', "nonsense"])
def test_a_damaged_choice_is_the_automatic_one_and_is_said(
    workspace: Workspace, content: str
) -> None:
    workspace.engine_address.write_text(content)
    assert chosen_address(workspace).automatic
    with pytest.raises(DamagedFile):
        read_address(workspace.engine_address)


def test_a_variable_comes_before_the_choice_and_the_choice_before_all_else(
    tmp_path: Path,
) -> None:
    address = EngineAddress(url="ssh://ada@workshop")
    (chosen,) = candidates_of(address, host(tmp_path))
    assert (chosen.url, chosen.exclusive) == ("ssh://ada@workshop", True)
    (named,) = candidates_of(address, host(tmp_path, DOCKER_HOST="unix:///run/other.sock"))
    assert named.url == "unix:///run/other.sock"
    automatic = candidates_of(EngineAddress(), host(tmp_path))
    assert automatic == candidate_endpoints(host(tmp_path))


def test_contexts_are_listed_but_for_those_without_an_address(tmp_path: Path) -> None:
    assert docker_contexts(host(tmp_path)) == []
    write_context(tmp_path, "workshop", "ssh://ada@workshop")
    write_context(tmp_path, "cluster", "kubernetes")
    write_context(tmp_path, "attic", "tcp://192.0.2.2:2376").mkdir(parents=True)
    found = docker_contexts(host(tmp_path))
    assert [each.name for each in found] == ["attic", "workshop"]
    (endpoint,) = candidates_of(EngineAddress(context="attic"), host(tmp_path))
    assert endpoint.tls is not None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (EngineAddress(url="nonsense://"), "is not an address of a container engine"),
        (EngineAddress(url="ssh://-oProxyCommand=x"), "is not an address"),
        (EngineAddress(context="gone"), "has no context of that name"),
        (EngineAddress(url="tcp://192.0.2.1:2375"), "without TLS"),
        (EngineAddress(url="http://192.0.2.1:2375", certificates="/c"), "without TLS"),
    ],
)
async def test_what_no_engine_can_be_at_is_not_chosen(
    workspace: Workspace, tmp_path: Path, address: EngineAddress, words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        check_address(address, host(tmp_path))
    with pytest.raises(EngineError, match=words):
        await choose(workspace, address, unchecked=True)
    assert chosen_address(workspace).automatic


async def test_an_engine_that_does_not_answer_is_chosen_only_unchecked(
    workspace: Workspace, tmp_path: Path
) -> None:
    address = EngineAddress(url=f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(EngineUnavailable, match=r"nothing\.sock \(chosen for this workspace\)"):
        await choose(workspace, address)
    assert chosen_address(workspace).automatic
    assert await choose(workspace, address, unchecked=True) == ""
    assert chosen_address(workspace) == address


async def test_nothing_takes_the_place_of_an_engine_that_was_chosen(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(variable, raising=False)
    save_address(workspace, EngineAddress(url=f"unix://{tmp_path}/engine.sock"))
    with pytest.raises(EngineError, match="No container engine answers"):
        await choose_engine("auto", workspace)
    engine = await awaited_engine("auto", workspace)
    assert isinstance(engine, DockerEngine)
    with pytest.raises(EngineError):
        await engine.instances()
    with FakeDockerApi(tmp_path / "engine.sock", DOCKER_ANSWERS):
        assert "chosen for this workspace" in (await engine.availability()).reason
    await engine.close()


async def test_an_engine_follows_the_choice_once_it_changes(workspace: Workspace) -> None:
    engine = DockerEngine(workspace, ["serving:1"])
    assert engine.at_chosen_address() is None
    save_address(workspace, EngineAddress(url="unix:///run/other.sock"))
    other = engine.at_chosen_address()
    assert other is not None
    assert (other.address.url, other.image_names) == ("unix:///run/other.sock", ("serving:1",))
    assert other.at_chosen_address() is None
    for each in (engine, other):
        await each.close()
