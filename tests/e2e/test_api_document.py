"""Every request in docs/api.md, as a person would type it, to one backend with the tiny model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from desktop.cli import main
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.command_line import CommandLine, json_lines
from tests.support.requirements import need_programs
from tests.support.sample_images import painting
from tests.support.tiny_model import install_tiny

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
_TIMED_OUT = 28
"""curl's exit code for a stream that did not end by itself."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_programs("curl", "jq")
    folder = tmp_path_factory.mktemp("api")
    for name, color in (("red.jpg", "red"), ("blue.png", "blue")):
        (folder / name).write_bytes(painting(color, 1))
    (folder / "notes.txt").write_text("no photo")
    # So that an error is one, and the stream of events ends.
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return folder


@pytest.fixture(scope="module")
def command(folder: Path) -> CommandLine:
    return CommandLine(folder)


@pytest.fixture(scope="module")
def address(command: CommandLine) -> Iterator[str]:
    install_tiny(ModelRepository(Workspace(command.workspace).create().models))
    with command.serving() as address:
        yield address


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("127.0.0.1:8080")[1][:20])
def test_what_the_document_says_works(block: str, address: str, folder: Path) -> None:
    commands = block.replace("http://127.0.0.1:8080", address)
    environment = {**os.environ, "CURL_HOME": str(folder), "no_proxy": "*"}
    is_stream = "/events" in block
    if is_stream:
        commands = commands.replace("curl -N", "curl -N --max-time 1")
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == (_TIMED_OUT if is_stream else 0), done.stdout + done.stderr
    assert done.stdout


def test_the_example_of_the_python_client_runs(address: str, folder: Path) -> None:
    document = (ROOT / "docs" / "python-client.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example.replace("http://127.0.0.1:8080", address)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    answered, labelled, total, refused = done.stdout.splitlines()
    assert re.fullmatch(r"\w+: \d+%( \(unsure\))?", answered), done.stdout + done.stderr
    assert labelled.endswith(": red")
    assert total.endswith(" photos are labelled")
    assert refused.startswith("415 ")


def test_every_request_of_the_document_is_in_such_a_block() -> None:
    assert sum(block.count("curl ") for block in BLOCKS) == len(re.findall(r"\bcurl ", DOCUMENT))


def test_a_webhook_is_made_by_a_command_too(command: CommandLine, address: str) -> None:
    def run(*arguments: str) -> str:
        # In this process: a new one for each takes longer than all that is tested.
        done = CliRunner().invoke(
            main, ["--workspace", str(command.workspace), "webhook", *arguments]
        )
        assert done.exit_code == 0, done.output
        return done.stdout

    assert run("add", "http://127.0.0.1:9/", "--topic", "photo.unsure").startswith("whsec_")
    (webhook,) = json_lines(run("list", "--json"))
    assert (webhook["url"], webhook["topics"]) == ("http://127.0.0.1:9/", ["photo.unsure"])
    run("remove", webhook["id"])
    assert json_lines(run("list", "--json")) == []
