"""What to label next, and which labels to doubt, from the shell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.client import BackendClient
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.sample_images import painting
from tests.support.tiny_model import install_tiny


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    shell = CommandLine(tmp_path_factory.mktemp("shell"))
    workspace = Workspace(shell.workspace).create()
    install_tiny(ModelRepository(workspace.models))
    with shell.serving():
        asyncio.run(_classified(workspace))
        yield shell


async def _classified(workspace: Workspace) -> None:
    client = await BackendClient.find(workspace)
    assert client is not None
    async with client:
        for color in ("red", "blue"):
            for seed in range(3):
                await client.add_to_pool(painting(color, seed))


def test_the_queue_is_listed_saved_and_labelled(shell: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "to label"
    queue = shell.json_lines("queue", "--count", "4", "--save", str(folder))
    assert {file.stem for file in folder.iterdir()} == {item["image"] for item in queue}
    assert len(queue) == 4
    lines = shell.run("queue", "--count", "4").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [item["image"][:12] for item in queue]
    first = folder / f"{queue[0]['image']}.jpg"
    assert shell.run("label", str(first), queue[0]["scores"][0]["name"]).returncode == 0
    assert queue[0]["image"] not in {item["image"] for item in shell.json_lines("queue")}


def test_labels_are_checked(shell: CommandLine) -> None:
    (shell.folder / "wrong.jpg").write_bytes(painting("red", 50))
    shell.run("label", "wrong.jpg", "blue")
    for seed in range(4):
        for color in ("red", "blue"):
            (shell.folder / f"{color}.jpg").write_bytes(painting(color, 60 + seed))
            shell.run("label", f"{color}.jpg", color)
    issues = shell.json_lines("labels", "check")
    assert ("blue", "red") in {(each["class_name"], each["suggested"]) for each in issues}
    table = shell.run("labels", "check").stdout
    assert "The others say red." in table or "has the label red." in table
