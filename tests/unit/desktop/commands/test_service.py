"""`servery service` writes a unit that systemd takes, and says what keeps it from running."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from desktop.cli import main
from desktop.systemd_unit import unit_path, unit_text
from serving.workspace import Workspace
from tests.support.requirements import missing

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$CALLS"
if [ -n "$REFUSES" ]; then echo "Failed to connect to bus" >&2; exit 1; fi
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["service", *arguments])


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemctl was called with: a program that notes it stands in its place."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "calls"


def test_it_is_installed_changed_and_removed(calls: Path) -> None:
    assert run("install", "--", "--port", "8090").exit_code == 0
    assert "serve --port 8090\n" in unit_path().read_text()
    assert run("install", "--now").exit_code == 0
    assert "serve\n" in unit_path().read_text()
    assert run("uninstall").exit_code == 0
    assert not unit_path().exists()
    assert calls.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable servery.service",
        "--user daemon-reload",
        "--user enable --now servery.service",
        "--user disable --now servery.service",
        "--user daemon-reload",
    ]
    again = run("uninstall")
    assert again.exit_code == 1
    assert "`servery service install`" in again.stderr


def test_options_that_serve_does_not_have_are_refused(calls: Path) -> None:
    refused = run("install", "--", "--prot", "8090")
    assert refused.exit_code == 2
    assert "--prot" in refused.stderr
    assert not calls.exists()


def test_an_error_of_systemd_is_shown(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSES", "1")
    refused = run("install")
    assert refused.exit_code == 1
    assert "Failed to connect to bus" in refused.stderr


def test_a_machine_without_systemd_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = run("install")
    assert refused.exit_code == 1
    assert "`servery service show`" in refused.stderr
    assert "ExecStart=" in run("show").stdout


@pytest.mark.parametrize("name", ["plain", 'a b%h$HOME"\\x', "käse;rm", "-x'"])
def test_systemd_takes_the_unit_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")
    unit = tmp_path / "servery.service"
    unit.write_text(unit_text(Workspace(tmp_path / name), ["--allow-host", "$HOME%h x"]))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--user", unit],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (checked.returncode, checked.stderr) == (0, "")
