"""Every `servery …` and every `curl` in the documents, as a person would type it.

The lines of one document are run one after the other; all documents share one `servery serve`
with the tiny model. Those of docs/api.md have a test of their own. What cannot be run here is
listed with the reason, and is at least a command line that `servery` understands.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import click
import pytest

from desktop.cli import main
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.architecture.test_documents import DOCUMENTS
from tests.conftest import ROOT
from tests.support.command_line import CommandLine
from tests.support.docker.fake_docker_api import DOCKER_ANSWERS, FakeDockerApi
from tests.support.documents import servery_commands, shell_blocks, shell_lines
from tests.support.requirements import need_programs
from tests.support.sample_images import drawings, painting
from tests.support.tiny_model import TINY_MODEL, install_tiny

pytestmark = pytest.mark.slow

T = TypeVar("T")

DOCKER = "makes an image; tests/integration/docker does"
OTHER_MACHINE = "takes another machine; tests/integration/docker/test_ssh.py has one"
SWARM = "changes the swarm of the engine; tests/integration/swarm has one of its own"
TENSORFLOW = "takes a file of Keras and TensorFlow; tests/e2e/test_models_import.py has both"
EXPORT = "takes seconds of TensorFlow; tests/e2e/test_exported_model.py does it"
NOT_RUN = {
    "servery serve": "runs until Ctrl+C, here with PostgreSQL; every test here has one",
    "servery models image ": DOCKER,
    "servery stack build": DOCKER,
    "servery engine use context:": OTHER_MACHINE,
    "servery engine use workshop": OTHER_MACHINE,
    "servery engine use ssh:": OTHER_MACHINE,
    "servery engine use tcp:": OTHER_MACHINE,
    "servery fleet nodes": SWARM,
    "servery fleet limit --engine swarm": SWARM,
    "servery fleet start 4 --engine swarm": SWARM,
    "servery models import": TENSORFLOW,
    "servery models export": EXPORT,
    "curl http://127.0.0.1:8080/models/import": TENSORFLOW,
}
"""Why lines that begin so are not run."""
MAY_FAIL = {"servery doctor": 1}
"""The exit code of what says how this machine is."""
BEFORE = {
    "servery models new waste": "servery models use pets; servery models delete waste --yes || true"
}
AFTER = {"servery fleet stop": "servery fleet start 1"}
"""What is run before and after lines that begin so, for others that come after them."""
IN_PLACE_OF = {
    # The built-in network takes 20 s; tests/e2e/test_models_command_line.py learns with it.
    "servery models new waste --from waste": "servery models new waste --from waste --backbone pets"
}


def documented(document: Path) -> list[str]:
    """Return the lines of a document that have a command of `servery` or `curl` in them."""
    lines = [line for block in shell_blocks(document) for line in shell_lines(block)]
    return [line for line in lines if "servery " in line or line.startswith("curl ")]


def found_for(line: str, known: Mapping[str, T]) -> T | None:
    """Return what is known of lines that begin like this one."""
    command = re.sub(r"^(\w+=\S+ )+", "", line)
    return next((known[each] for each in known if command.startswith(each)), None)


LINES = {
    document: lines
    for document in DOCUMENTS
    if document.name not in ("api.md", "CHANGELOG.md") and (lines := documented(document))
}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    need_programs("curl", "jq")
    shell = CommandLine(tmp_path_factory.mktemp("documents"))
    shell.environment |= {
        "HOME": str(shell.folder),
        "CURL_HOME": str(shell.folder),
        "no_proxy": "*",
        "DOCKER_HOST": f"unix://{shell.folder}/engine.sock",
    }
    (shell.folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    for name, color in (("photo.jpg", "red"), ("cat.jpg", "blue")):
        (shell.folder / name).write_bytes(painting(color, 1))
    for kind in ("smiley", "stripes"):
        drawings(shell.folder / "waste" / kind, "drawing", kind, 4)
    with FakeDockerApi(shell.folder / "engine.sock", DOCKER_ANSWERS):
        yield shell


@pytest.fixture(scope="module")
def address(shell: CommandLine) -> Iterator[str]:
    repository = ModelRepository(Workspace(shell.workspace).create().models)
    for name in ("birds", TINY_MODEL):
        install_tiny(repository, name)
    with shell.serving() as address:
        yield address


@pytest.mark.parametrize("document", LINES, ids=lambda path: path.name)
def test_what_the_document_says_works(document: Path, shell: CommandLine, address: str) -> None:
    def run(line: str) -> None:
        command = IN_PLACE_OF.get(line, line).replace("http://127.0.0.1:8080", address)
        done = shell.shell(command.replace("/home/ann", str(shell.folder)))
        assert done.returncode in (0, found_for(line, MAY_FAIL)), f"{line}: {done.stderr}"
        assert done.stdout or done.stderr, line

    for line in LINES[document]:
        if found_for(line, NOT_RUN) is None:
            for each in (found_for(line, BEFORE), line, found_for(line, AFTER)):
                if each is not None:
                    run(each)


@pytest.mark.parametrize("document", LINES, ids=lambda path: path.name)
def test_what_the_document_says_is_understood(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("waste", ".docker/workshop"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("pets.keras", "cat.jpg", "NAME.zip"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for line in LINES[document]:
        for words in servery_commands(line):
            parse([os.path.expanduser(word) for word in words])  # noqa: PTH111


def parse(words: list[str]) -> click.Command:
    """Find a command and take its words apart, without running it; raises click.UsageError."""
    command: click.Command = main
    context = click.Context(main, info_name="servery", obj=Workspace(Path("workspace")))
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, context, name)
    command.make_context(command.name, words, context.parent)
    return command


@pytest.mark.parametrize(
    "line",
    [
        "servery fleet strat 2",
        "servery fleet start two",
        "servery classify photo.jpg --jsn",
        "X=1 servery models new",
        'curl -H "Authorization: Bearer $(servery tokens)" http://127.0.0.1:8080/',
        "servery classify a.jpg --json | servery labels undo x",
    ],
)
def test_a_line_that_is_not_understood_is_found(line: str) -> None:
    def take_apart() -> None:
        for words in servery_commands(line):
            parse(words)

    with pytest.raises(click.UsageError):
        take_apart()


def test_nothing_is_left_out_without_need() -> None:
    lines = [line for found in LINES.values() for line in found]
    for beginning in NOT_RUN:
        assert any(found_for(line, {beginning: True}) for line in lines), beginning
    for reason in NOT_RUN.values():
        for word in shlex.split(reason):
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), word
