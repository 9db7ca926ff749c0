from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
from click.testing import CliRunner

from desktop.cli import main
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
