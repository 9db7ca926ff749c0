"""The shell completes commands, without importing all of them, and options."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from desktop.cli import main

VARIABLE = "_SERVERY_COMPLETE"


def completed(words: str) -> list[str]:
    """Return what bash would offer for the last of some words."""
    environment = {
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        VARIABLE: "bash_complete",
    }
    result = CliRunner().invoke(main, prog_name="servery", env=environment, complete_var=VARIABLE)
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("servery class", ["classes", "classify"]),
        ("servery --work", ["--workspace"]),
        ("servery token re", ["revoke"]),
        ("servery token new x --role l", ["label"]),
        ("servery ./photo", [""]),  # bash completes files by itself
    ],
)
def test_it_offers_what_can_follow(words: str, expected: list[str]) -> None:
    assert completed(words) == expected


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_it_is_installed_where_the_shell_looks(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(main, ["completion", "install"])
    assert result.exit_code == 0, result.stderr
    (written,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert str(written) in result.stderr
    shown = CliRunner().invoke(main, ["completion", "show", shell]).stdout
    assert written.read_text().strip() == shown.strip()
    if shutil.which(shell) is not None:
        subprocess.run([shell, "-n", written], check=True)


def test_a_shell_without_completion_is_told_which_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/dash")
    result = CliRunner().invoke(main, ["completion", "install"])
    assert result.exit_code == 1
    assert "bash, fish, zsh" in result.stderr
