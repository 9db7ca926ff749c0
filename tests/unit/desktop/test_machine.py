"""What `servery doctor` says of a machine that lacks something."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from desktop import machine
from desktop.cli import main
from desktop.machine import FactLevel, MachineFact, machine_facts
from serving.workspace import Workspace
from tests.support.small_disk import small_disk


@pytest.fixture(autouse=True)
def _without_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")


async def fact(workspace: Workspace, subject: str) -> MachineFact:
    (found,) = [each for each in await machine_facts(workspace) if each.subject == subject]
    return found


async def test_without_docker_instances_run_as_processes(workspace: Workspace) -> None:
    found = await fact(workspace, "containers")
    assert found.level is FactLevel.MISSING
    assert "run as processes" in found.what
    assert found.advice


@contextmanager
def busy_port() -> Iterator[int]:
    """A port that another program has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


async def test_without_a_screen_the_web_page_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    found = await fact(workspace, "screen")
    assert found.level is FactLevel.MISSING
    assert "`servery serve`" in found.advice


async def test_a_port_that_another_program_has_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with busy_port() as port:
        monkeypatch.setattr(machine, "DEFAULT_PORT", port)
        found = await fact(workspace, "port")
    assert found.level is FactLevel.MISSING
    assert str(port) in found.what
    assert (await fact(workspace, "port")).level is FactLevel.FINE


async def test_a_full_disk_keeps_it_from_working(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk:
        workspace = Workspace(disk.folder / "workspace").create()
        assert (await fact(workspace, "workspace")).level is FactLevel.FINE
        disk.fill()
        full = await fact(workspace, "disk")
        assert full.level is FactLevel.WRONG
        assert "--workspace" in full.advice
        assert (await fact(workspace, "workspace")).level is FactLevel.WRONG
        arguments = ["--workspace", str(workspace.root), "doctor"]
        result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
        assert result.exit_code == 1
        assert "!!  disk" in result.stdout


def test_all_that_a_machine_lacks_is_printed_at_once_with_what_to_do(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with busy_port() as port:
        monkeypatch.setattr(machine, "DEFAULT_PORT", port)
        result = CliRunner().invoke(main, ["--workspace", str(workspace.root), "doctor"])
    assert result.exit_code == 0, result.output  # all of it can be done without
    lines = result.stdout.splitlines()
    for subject, what, advice in (
        ("containers", "Instances run as processes.", "Docker"),
        ("screen", "no window can open", "`servery serve`"),
        ("port", f"Port {port} cannot be used", "Another port is taken"),
    ):
        (number,) = (n for n, line in enumerate(lines) if line.startswith(f"--  {subject} "))
        assert what in lines[number]
        assert advice in lines[number + 1]


def test_the_command_prints_it_and_what_is_missing_is_no_failure(workspace: Workspace) -> None:
    arguments = ["--workspace", str(workspace.root), "doctor"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "--  containers" in result.stdout
    facts = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)["machine"]
    assert {"processor", "memory", "disk", "port", "screen"} <= {each["subject"] for each in facts}
