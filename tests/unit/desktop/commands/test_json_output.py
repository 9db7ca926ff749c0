"""`--json`: every command has it, and prints one object a line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from backend.contract import CreatedWebhook, Webhook, WebhookTopic
from desktop.cli import main
from desktop.commands import image, nodes, options, stack
from desktop.commands.options import BackendTarget, FleetTarget
from desktop.systemd_unit import UNIT_NAME
from serving.engines.docker.image.constants import IMAGES
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.swarm.membership import Membership, Node, NodeAvailability, SwarmState
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.command_line import json_lines
from tests.support.command_tree import all_commands

COMMANDS = all_commands()
WITHOUT_JSON = {
    "": "opens the window",
    "open": "opens the window",
    "completion show": "prints a file for a shell",
    "service show": "prints a file for systemd",
}
DOCUMENT = (ROOT / "docs" / "command-line.md").read_text()


def help_of_json(command: click.Command) -> str | None:
    """Return what the help of a command says of --json; None if it lacks that."""
    for each in command.params:
        if isinstance(each, click.Option) and "--json" in each.opts:
            return each.help
    return None


def test_every_command_has_it_but_those_that_print_no_facts() -> None:
    without = {name for name, command in COMMANDS.items() if help_of_json(command) is None}
    assert without == set(WITHOUT_JSON)


def test_the_document_lists_those_that_may_print_several_objects() -> None:
    several = help_of_json(click.command(options.as_json_lines(lambda: None)))
    found = {name for name, each in COMMANDS.items() if help_of_json(each) == several}
    rows = re.findall(r"^\| (`[^|]*) \| ", DOCUMENT, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([a-z][a-z -]*)`", row)}
    assert listed == found


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def printed(workspace: Workspace, *words: str) -> list[Any]:
    result = CliRunner().invoke(main, ["--workspace", str(workspace.root), *words, "--json"])
    assert result.exit_code == 0, result.output
    return json_lines(result.stdout)


def test_token_commands_print_json(workspace: Workspace) -> None:
    (own,) = printed(workspace, "token")
    assert printed(workspace, "token") == [own]
    (renewed,) = printed(workspace, "token", "--renew")
    assert renewed.keys() == {"token"}
    assert renewed != own
    (made,) = printed(workspace, "token", "new", "phone")
    assert made.pop("token")
    assert printed(workspace, "token", "revoke", "phone") == [made]
    assert made["name"] == "phone"
    assert "digest" not in made


def test_the_engine_and_the_shell(workspace: Workspace, tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/nothing.sock"
    (used,) = printed(workspace, "engine", "use", url, "--unchecked")
    assert used == {"chosen": url, "certificates": "", "answers": False, "sentence": ""}
    assert printed(workspace, "engine", "contexts") == []
    (installed,) = printed(workspace, "completion", "install", "fish")
    assert installed["shell"] == "fish"
    assert Path(installed["path"]).is_file()


def test_service_commands_print_json(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (installed,) = printed(workspace, "service", "install")
    assert installed["unit"] == UNIT_NAME
    assert Path(installed["path"]).is_file()
    assert printed(workspace, "service", "uninstall") == [installed]


class FakeSwarm:
    """A swarm of one node, which is changed and left."""

    def __init__(self) -> None:
        self.node = Node(
            *("abc", "ada", True, True, "ready", NodeAvailability.ACTIVE, "192.0.2.1"),
            *(4, 2**30, "27.1.0"),
        )
        self.state = SwarmState.MANAGER

    async def membership(self) -> Membership:
        return Membership(self.state)

    async def nodes(self) -> list[Node]:
        return [self.node]

    async def addresses(self) -> list[str]:
        return ["192.0.2.1"]

    async def start(self, address: str) -> None:
        pass

    async def join(self, manager: str, token: str, address: str) -> Membership:
        return await self.membership()

    async def join_command(self, *, manager: bool) -> str:
        return f"docker swarm join {manager}"

    async def set_availability(self, node_id: str, availability: NodeAvailability) -> None:
        pass

    async def remove(self, node_id: str) -> None:
        pass

    async def losses(self) -> str:
        return "Its services are gone."

    async def leave(self) -> None:
        self.state = SwarmState.NONE


def test_node_commands_print_json(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    swarm = FakeSwarm()

    def with_swarm(_: Workspace, work: Any) -> Any:
        return asyncio.run(work(swarm))

    monkeypatch.setattr(nodes, "_with_nodes", with_swarm)
    run = ("fleet", "nodes")
    assert printed(workspace, *run, "start", "--yes") == [{"state": SwarmState.MANAGER}]
    assert printed(workspace, *run, "join", "192.0.2.1:2377") == [{"state": SwarmState.MANAGER}]
    assert printed(workspace, *run, "add") == [{"command": "docker swarm join False"}]
    (drained,) = printed(workspace, *run, "drain", "ada")
    assert (drained["name"], drained["availability"]) == ("ada", "drain")
    (activated,) = printed(workspace, *run, "activate", "ada")
    assert activated["availability"] == "active"
    assert printed(workspace, *run, "remove", "ada", "--yes") == [activated]
    assert printed(workspace, *run, "leave", "--yes") == [{"state": SwarmState.NONE}]


class FakeImages:
    """An engine that has every image it is asked to get."""

    def __init__(self) -> None:
        self.names = [IMAGES[0]]

    async def pull(self, name: str, report: object) -> ImageInfo:
        return ImageInfo(name, size=7)

    async def load(self, file: Path, report: object) -> list[str]:
        return ["one:1", "two:2"]

    async def find(self, names: list[str]) -> ImageInfo | None:
        return None if names[0] in IMAGES[1:] else ImageInfo(names[0], size=7)

    async def push(self, tag: str, report: object, on_line: object) -> str:
        return f"{tag}@sha256:0"


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> FakeImages:
    store = FakeImages()

    async def build(_: object, tag: str, *rest: object) -> ImageInfo:
        return ImageInfo(tag, size=9)

    async def build_stack_image(_: object, target: object, tag: str, *rest: object) -> ImageInfo:
        return ImageInfo(tag, size=9)

    def with_store(work: Any) -> Any:
        return asyncio.run(work(store))

    monkeypatch.setattr(image, "build", build)
    monkeypatch.setattr(stack, "build_stack_image", build_stack_image)
    for module in (image, stack):
        monkeypatch.setattr(module, "with_store", with_store)
    return store


def test_image_commands_print_json(
    workspace: Workspace, images: FakeImages, tmp_path: Path
) -> None:
    assert printed(workspace, "image", "pull", "x:1") == [{"name": "x:1", "size": 7}]
    assert printed(workspace, "image", "load", "file.tar") == [
        {"name": "one:1", "size": 7},
        {"name": "two:2", "size": 7},
    ]
    assert printed(workspace, "image", "build", "--tag", "own:1") == [{"name": "own:1", "size": 9}]
    first, *others = printed(workspace, "image", "list")
    assert first == {"name": IMAGES[0], "size": 7}
    assert others == [{"name": name, "size": None} for name in IMAGES[1:]]
    built = printed(workspace, "stack", "build", "--push", "--api-image", "api:1")
    assert built[0] == {"name": "api:1", "size": 9, "digest": "api:1@sha256:0"}
    assert len(built) == 2


def test_commands_for_one_instance_print_json(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Engine:
        async def logs(self, instance: str, lines: int) -> str:
            return "one\ntwo"

        async def run_command(self, instance: str) -> str:
            return f"start {instance}"

        async def follow_logs(self, instance: str, lines: int) -> AsyncIterator[str]:
            yield "three"

    class Fleet:
        def engine_of(self, instance: str) -> Engine:
            return Engine()

        async def detach(self, address: str) -> None:
            pass

    @asynccontextmanager
    async def opened(target: FleetTarget) -> AsyncIterator[Any]:
        yield Fleet(), SimpleNamespace()

    monkeypatch.setattr(FleetTarget, "open", opened)
    lines = [{"instance": "a", "line": "one"}, {"instance": "a", "line": "two"}]
    assert printed(workspace, "fleet", "logs", "a") == lines
    followed = printed(workspace, "fleet", "logs", "a", "--follow")
    assert followed == [{"instance": "a", "line": "three"}]
    assert printed(workspace, "fleet", "command", "a") == [{"instance": "a", "command": "start a"}]
    assert printed(workspace, "fleet", "detach", "127.0.0.1:9") == [{"address": "127.0.0.1:9"}]


def test_webhook_commands_print_json(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Webhook("w1", "http://127.0.0.1:9/", [WebhookTopic.UNSURE], "2026-01-01")

    class Client:
        async def add_webhook(self, new: object) -> CreatedWebhook:
            return CreatedWebhook(made, "whsec_x")

        async def remove_webhook(self, webhook_id: str) -> None:
            pass

    def run(target: BackendTarget, work: Any) -> Any:
        return asyncio.run(work(Client()))

    monkeypatch.setattr(BackendTarget, "run", run)
    (added,) = printed(workspace, "webhook", "add", made.url)
    assert (added["id"], added["secret"]) == ("w1", "whsec_x")
    assert printed(workspace, "webhook", "remove", "w1") == [{"id": "w1"}]
