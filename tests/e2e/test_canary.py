"""A canary from the shell and over HTTP, and after its backend was killed."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from backend.run_file import BackendRunFile
from serving.models.canary import CanaryPhase
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.sample_images import painting
from tests.support.tiny_model import TINY_MODEL, install_tiny, write_tiny
from tests.support.waiting import block_until

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """With a version 1, which is live, and a version 2 that answers alike."""
    made = ModelRepository(Workspace(tmp_path / "workspace").create().models)
    install_tiny(made)
    with staged_version(made, TINY_MODEL) as staged:
        write_tiny(staged)
        commit_version(made, TINY_MODEL, staged)
    return made


@contextmanager
def serving(shell: CommandLine) -> Iterator[str]:
    """Run `servery serve`, whose backend a test kills; yields the first address."""
    process = shell.start("serve", "--port", "0", "--instances", "1")
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().removeprefix("Servery answers at ").strip()
        while process.stderr.readline() != "1 instance ready on process.\n":
            assert process.poll() is None
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


def phase(repository: ModelRepository) -> CanaryPhase | None:
    canary = repository.canaries.of(TINY_MODEL)
    return None if canary is None else canary.phase


def classify(address: str, number: int) -> None:
    request = urllib.request.Request(f"{address}/classify", painting("red", number))
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200


def test_a_canary_outlives_its_backend_and_ends_by_itself(
    tmp_path: Path, repository: ModelRepository
) -> None:
    shell = CommandLine(tmp_path)
    with serving(shell) as address:
        started = shell.run("models", "canary", TINY_MODEL, "2", "--share", "50%")
        assert started.returncode == 0, started.stderr
        assert started.stdout.startswith("Version 2 of pets: ")
        block_until(lambda: phase(repository) is CanaryPhase.RUNNING)
        for number in range(20):
            classify(address, number)
        block_until(lambda: shown(shell)["photos"] >= 5)
        before = shown(shell)["photos"]

        running = BackendRunFile.read(Workspace(shell.workspace))
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)

        def is_back() -> bool:
            found = BackendRunFile.read(Workspace(shell.workspace))
            return found is not None and found.pid != running.pid

        block_until(is_back)
        block_until(lambda: shown(shell)["photos"] >= before)
        again = BackendRunFile.read(Workspace(shell.workspace))
        assert again is not None
        for number in count(20):
            if phase(repository) is not CanaryPhase.RUNNING:
                break
            classify(again.url, number)
        block_until(lambda: phase(repository) is None)
        assert repository.live(TINY_MODEL).number == 2
        assert shell.run("models", "canary", TINY_MODEL).stderr == "pets has no canary.\n"
        promoted, began = shell.json_lines("models", "audit", TINY_MODEL)
        assert (began["what"], began["version"]) == ("canary", 2)
        assert (promoted["what"], promoted["by"], promoted["rule"]) == (
            *("promoted", "canary"),
            "canary_agreement",
        )
        refused = shell.run("models", "canary", TINY_MODEL, "--end", "against")
        assert refused.returncode == 1
        assert "has no canary" in refused.stderr
    assert shell.run("fleet", "stop").returncode == 0


def shown(shell: CommandLine) -> dict[str, Any]:
    """Return what the command says of the canary that goes on."""
    found = shell.json("models", "canary", TINY_MODEL)
    assert isinstance(found, dict)
    return found
