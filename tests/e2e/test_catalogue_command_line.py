"""A model of the catalogue from the shell: downloaded in two parts around a `kill -9`, and used."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.catalogue.models import catalogue_model
from tests.support.command_line import CommandLine
from tests.support.mirror import Mirror, mirror
from tests.support.waiting import block_until

pytestmark = pytest.mark.slow

NAME = "mobilenet-v2"
FIRST_PART = 4_000_000


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[CommandLine]:
    shell = CommandLine(tmp_path)
    shell.environment["KERAS_HOME"] = str(tmp_path / "keras")
    yield shell
    stopped = shell.run("stop")
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture
def server(shared_data: Path) -> Iterator[Mirror]:
    model = catalogue_model(NAME)
    weights = shared_data / "keras" / "models" / model.file_name
    with mirror() as running:
        running.files[f"/{model.path}"] = weights.read_bytes()
        yield running


def test_a_killed_download_goes_on_and_the_model_answers(
    shell: CommandLine, server: Mirror, shared_data: Path
) -> None:
    weights = shell.workspace / "downloads" / catalogue_model(NAME).file_name
    partial = weights.with_name(f"{weights.name}.partial")
    server.stalls_after = FIRST_PART
    with shell.start("models", "add", NAME, "--mirror", server.url) as adding:
        block_until(lambda: partial.exists() and partial.stat().st_size == FIRST_PART)
        run_file = shell.workspace / "run" / "backend.json"
        os.kill(json.loads(run_file.read_text())["pid"], signal.SIGKILL)
        _, stderr = adding.communicate(timeout=60)
    assert adding.returncode != 0
    assert "Traceback" not in stderr
    assert not (shell.workspace / "models" / NAME).exists()

    server.stalls_after = None
    added = shell.json("models", "add", NAME, "--mirror", server.url)
    assert (added["name"], added["class_count"], added["live_version"]) == (NAME, 1000, 1)
    assert server.requests[-1][1] == f"bytes={FIRST_PART}-"
    assert not list(weights.parent.glob(f"{weights.name}*"))

    (panda,) = (shared_data / "photos").glob("*_giant_panda.JPEG")
    shell.json("models", "use", NAME)
    (answer,) = shell.json_lines("classify", str(panda), "--start")
    assert answer["model"] == NAME
    assert answer["scores"][0]["name"] == "giant panda"
    # A second time there is nothing to download.
    asked = len(server.requests)
    assert shell.json("models", "add", NAME, "--mirror", server.url)["name"] == NAME
    assert len(server.requests) == asked


def test_the_list_says_what_can_be_added(shell: CommandLine) -> None:
    listed = {each["name"]: each for each in shell.json_lines("models", "add")}
    assert {"efficientnet-lite2", NAME, "convnext-base", "inception-v3"} <= set(listed)
    table = shell.run("models", "add").stdout
    assert "MIT" in table
    assert "NAME" in table
