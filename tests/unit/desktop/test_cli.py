from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from desktop.cli import main
from serving.workspace import ENVIRONMENT_VARIABLE
from tests.conftest import ROOT
from tests.support.small_disk import small_disk


def test_every_command_has_a_summary_that_fits_on_a_line() -> None:
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    paths = [(), *((each.name or "",) for each in commands if isinstance(each, click.Group))]
    for path in paths:
        result = CliRunner().invoke(main, [*path, "--help"], terminal_width=80)
        assert result.exit_code == 0
        _, _, summaries = result.stdout.partition("Commands:\n")
        assert summaries
        for line in summaries.splitlines():
            assert line.endswith("."), line
            assert not line.endswith("..."), f"cut off: {line}"


def test_a_result_that_a_full_disk_refuses_is_an_error_and_a_sentence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk:
        disk.fill()
        file = disk.folder / "licences.txt"
        with file.open("wb") as output:
            result = subprocess.run(
                [sys.executable, "-m", "desktop.cli", "licences"],
                stdout=output, stderr=subprocess.PIPE, cwd=ROOT, text=True, check=False,
            )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr == (
        "servery: The output cannot be written: the disk is full. Make room on the disk that holds"
        f" {file}, then try again.\n"
    )


@pytest.mark.parametrize("name", ["loop", "~nobody-of-this-name/x", "a\udcffb"])
@pytest.mark.parametrize("by_environment", [False, True])
def test_a_workspace_that_cannot_be_one_is_a_sentence(
    name: str, by_environment: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    environment = {ENVIRONMENT_VARIABLE: name} if by_environment else {}
    option = [] if by_environment else ["--workspace", name]
    result = CliRunner().invoke(main, [*option, "models"], env=environment)
    assert result.exit_code == 1
    assert result.stderr.startswith("servery: The workspace ")
    assert result.stderr.endswith("folder.\n")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["", " ", "\t"], ids=ascii)
@pytest.mark.parametrize("command", [["models"], [], ["fleet", "status"]], ids=" ".join)
def test_an_empty_name_is_not_the_folder_that_one_is_in(
    name: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["--workspace", name, *command])
    assert result.exit_code == 2
    assert "it is empty. Name a folder." in result.stderr
    assert list(tmp_path.iterdir()) == []
