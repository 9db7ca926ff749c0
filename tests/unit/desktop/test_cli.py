from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from desktop.cli import main
from serving.errors import ServeryError
from serving.workspace import ENVIRONMENT_VARIABLE, Workspace
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


def _run(*arguments: str, stream: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    """Run `servery` with a redirection as the shell writes it; returns what stderr got."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {stream}', "sh", sys.executable, "-m", "desktop.cli", *arguments],
        env={**os.environ, ENVIRONMENT_VARIABLE: str(workspace)},
        capture_output=True, cwd=ROOT, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("models", "--help")])
def test_a_help_text_that_a_full_disk_refuses_is_a_sentence(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    result = _run(*arguments, stream=">/dev/full", workspace=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("servery: The output cannot be written: the disk is full.")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("stream", "code", "message"),
    [
        (">&-", 1, "servery: The output cannot be written: it is closed. "),
        ("2>&-", 0, ""),
        ("<&- >&- 2>&-", 1, ""),
    ],
)
def test_a_standard_stream_may_be_closed(
    stream: str, code: int, message: str, tmp_path: Path
) -> None:
    result = _run("token", stream=stream, workspace=tmp_path / "workspace")
    assert result.returncode == code
    assert result.stderr[: len(message)] == message
    assert len(result.stderr.splitlines()) == bool(message)
    assert bool(result.stdout) == (code == 0)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EMFILE, "?"), "The system opens no more files and connections."),
        (OSError(errno.EMFILE, "?", "/a"), "/a cannot be used: too many files are open."),
        (BlockingIOError(errno.EAGAIN, "?"), "The system starts no more processes and threads."),
        (RuntimeError("can't start new thread"), "The system starts no more processes and"),
        (MemoryError(), "There is not enough memory."),
        (OSError(errno.ENOMEM, "?"), "There is not enough memory."),
        (OSError(errno.ENOSPC, "?"), "The system refused it: the disk is full."),
        (FileNotFoundError(errno.ENOENT, "?", b"/\xff"), "/\\xff cannot be used"),
        (NotADirectoryError(errno.ENOTDIR, "?", "/a"), "/a cannot be used: a file is in the place"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(
    error: Exception, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Workspace) -> None:
        raise error

    monkeypatch.setattr(Workspace, "create", refuse)
    result = CliRunner().invoke(main, ["--workspace", str(tmp_path), "token"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"servery: {sentence}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "error", "code"),
    [
        ("token", None, 0),
        ("token", ServeryError("It failed.", "Mend it."), 1),
        ("tokens", None, 2),
        ("token", KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_code_is_what_the_document_says(
    command: str,
    error: BaseException | None,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Workspace) -> None:
        assert error is not None
        raise error

    if error is not None:
        monkeypatch.setattr(Workspace, "create", fail)
    result = CliRunner().invoke(main, ["--workspace", str(tmp_path / "workspace"), command])
    assert result.exit_code == code
    document = (ROOT / "docs" / "command-line.md").read_text()
    assert re.findall(r"^\| (\d+) \| ", document, re.MULTILINE) == ["0", "1", "2", "130"]


def test_no_command_takes_a_name_where_it_takes_another_command() -> None:
    def groups(command: click.Command) -> Iterator[click.Group]:
        if isinstance(command, click.Group):
            yield command
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                yield from groups(found)

    found = list(groups(main))
    assert {"models", "labels", "token", "nodes"} <= {group.name for group in found}
    # A model called `import` could else not be named before a command of the same name.
    mixed = [g.name for g in found if any(isinstance(p, click.Argument) for p in g.params)]
    assert mixed == []


def test_a_defect_of_the_program_is_not_taken_for_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Workspace) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Workspace, "create", fail)
    result = CliRunner().invoke(main, ["--workspace", str(tmp_path), "token"])
    assert str(result.exception) == "a defect"


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("command", [["models"], ["doctor"], []], ids=" ".join)
def test_a_user_without_a_home_gets_a_sentence(command: list[str]) -> None:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert result.stderr.startswith("servery: There is no folder to keep the workspace in")
    assert result.stderr.endswith("Name one with --workspace, or set SERVERY_WORKSPACE or HOME.\n")
