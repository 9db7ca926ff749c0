"""Every command, in a process of its own, with names that would act on a terminal."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from desktop.cli import main
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.command_line import TIMEOUT_SECONDS, CommandLine
from tests.support.sample_images import gradient, painting
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.warm_commands import WARM_COMMANDS

pytestmark = pytest.mark.slow

NAME = "ot\x1b[2J\x1b]0;owned\x07\nFAKE\u202e\u200b\x9b31m"
FILE = f"{NAME}\x08.jpg"
RUNS_ON = {("serve",), ("open",)}
"""Do not end by themselves; here their command line is wrong, so that they do."""


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    if path and command.invoke_without_command:
        yield path
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, (*path, name))


def arguments(path: tuple[str, ...]) -> list[str]:
    """Return arguments for a command: hostile names wherever it takes a name or a file."""
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    if path in RUNS_ON:
        return ["--engine", NAME]
    if path == ("fleet", "nodes", "start"):  # would make this machine's engine a swarm
        return ["--address", NAME]
    if path[-1] == "build":  # takes a name as an option, and minutes without it
        return ["--base", NAME]
    words: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Option) and "--model" in parameter.opts:
            words += ["--model", NAME]
        if not isinstance(parameter, click.Argument):
            continue
        if isinstance(parameter.type, click.Path):
            words.append(FILE)
        elif isinstance(parameter.type, click.types.IntParamType):
            words.append("1")
        else:
            words.append(NAME)
    return words


# Those that end what the others use come last.
COMMANDS = sorted(leaves(main), key=lambda path: (path[-1] == "stop", path))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    shell = CommandLine(tmp_path_factory.mktemp("shell"))
    install_tiny(ModelRepository(Workspace(shell.workspace).create().models))
    (shell.folder / FILE).write_bytes(gradient())
    with shell.serving():
        yield shell
    shell.run("fleet", "stop")


def run(shell: CommandLine, *words: str) -> bytes:
    environment = {**shell.environment, "COLUMNS": "100"}
    result = WARM_COMMANDS.run(words, shell.folder, environment, TIMEOUT_SECONDS)
    return bytes(result.stdout + result.stderr)


def acting(printed: bytes) -> set[str]:
    text = printed.decode().replace("\n", "")
    return {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_name_acts_on_the_terminal(shell: CommandLine, path: tuple[str, ...]) -> None:
    if path[-1] == "stop":
        pytest.skip("takes no name, and ends what the other commands use")
    printed = run(shell, *path, *arguments(path))
    assert acting(printed) == set()
    assert b"\nFAKE" not in printed


def test_a_photo_of_such_a_name_is_classified(shell: CommandLine) -> None:
    printed = run(shell, "classify", FILE)
    assert printed.count(b"\n") == 1
    assert b"\\x1b[2J" in printed
    assert acting(printed) == set()
    exact = shell.json_lines("classify", FILE)
    assert exact[0]["file"] == FILE


def test_a_file_name_that_is_no_text_is_one(shell: CommandLine) -> None:
    name = b"caf\xe9\x1b.jpg"
    Path(os.fsdecode(bytes(shell.folder) + b"/" + name)).write_bytes(gradient())
    printed = run(shell, "classify", os.fsdecode(name))
    assert b"caf\\xe9\\x1b.jpg: " in printed
    assert acting(printed) == set()


def test_a_line_of_a_log_acts_on_nothing(shell: CommandLine) -> None:
    (instance,) = shell.json("fleet", "status")["instances"]
    (log,) = shell.workspace.rglob(f"*{instance['id']}*.log*")
    with log.open("a") as file:
        file.write(f"a client sent {NAME}\n")
    printed = run(shell, "fleet", "logs", instance["id"])
    assert b"a client sent ot\\x1b[2J" in printed
    assert acting(printed) == set()


def test_a_folder_of_such_names_is_reported(shell: CommandLine) -> None:
    folder = shell.folder / "folder"
    for class_name in ("cat", "dog", f"x{NAME}"):
        (folder / class_name).mkdir(parents=True)
        for number in range(4):
            photo = painting("red" if class_name == "cat" else "blue", (class_name, number))
            (folder / class_name / f"{number}{FILE}").write_bytes(photo)
        (folder / class_name / f"{NAME}.txt").write_text("no photo")
    printed = run(shell, "models", "new", "mine", "--from", "folder", "--backbone", TINY_MODEL)
    assert b"Traceback" not in printed
    assert acting(printed) == set()
    printed = run(shell, "models", "report", "mine")
    assert acting(printed) == set()
