"""A second start hands its files to the window that runs."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from desktop import running_window
from desktop.commands.open import names_file
from desktop.running_window import OpenRequest, WindowBusy, hand_over, taking_files
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.sample_images import image_file


@pytest.fixture(params=["short", "long"])
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Workspace:
    name = "w" if request.param == "short" else "w" * 150
    return Workspace(tmp_path / name).create()


async def test_files_are_handed_to_the_window_that_runs(
    workspace: Workspace, tmp_path: Path
) -> None:
    taken: list[OpenRequest] = []
    names = [tmp_path / "a.jpg", Path("/b/caf\udce9.jpg")]
    assert not hand_over(workspace, names)
    async with taking_files(workspace, taken.append) as takes:
        assert takes
        assert await asyncio.to_thread(hand_over, workspace, names)
        assert await asyncio.to_thread(hand_over, workspace, [])
        async with taking_files(workspace, taken.append) as second:
            assert not second
        assert await asyncio.to_thread(hand_over, workspace, names[1:])
    expected = [tuple(names), (), (names[1],)]
    assert [request.paths for request in taken] == expected
    assert not hand_over(workspace, names)


async def test_a_killed_window_takes_nothing_and_is_replaced(workspace: Workspace) -> None:
    with (
        running_window._short_path(workspace.run) as path,
        socket.socket(socket.AF_UNIX) as killed,
    ):
        killed.bind(path)
    assert not hand_over(workspace, [])
    async with taking_files(workspace, lambda request: None) as takes:
        assert takes


def test_a_window_that_does_not_answer_is_said(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_window, "_ANSWER_SECONDS", 0.01)
    with (
        running_window._short_path(workspace.run) as path,
        socket.socket(socket.AF_UNIX) as hung,
    ):
        hung.bind(path)
        hung.listen()
        with pytest.raises(WindowBusy):
            hand_over(workspace, [])


async def test_the_command_takes_files_in_place_of_a_command(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace").create()
    image_file(tmp_path / "red.jpg")
    taken: list[OpenRequest] = []
    command = [sys.executable, "-m", "desktop.cli", "--workspace", str(workspace.root)]

    def run(*files: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *files],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    async with taking_files(workspace, taken.append):
        done, missing = await asyncio.gather(
            asyncio.to_thread(run, "red.jpg", "."), asyncio.to_thread(run, "blue.jpg")
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "Servery's window is open already. It took 2 files.\n"
    assert [request.paths for request in taken] == [(tmp_path / "red.jpg", tmp_path)]
    assert missing.returncode == 1
    assert missing.stderr.startswith(f"servery: There is no file {tmp_path / 'blue.jpg'}. ")


def test_a_mistyped_command_is_no_file() -> None:
    assert not names_file("clasify")
    assert names_file("photos/otter")
    assert names_file("gone.JPG")
