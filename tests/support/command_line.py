"""The `servery` command as people run it: in a process of its own, in a workspace of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.run_file import BackendRunFile
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.waiting import block_until
from tests.support.warm_commands import WARM_COMMANDS

TIMEOUT_SECONDS = 150


def json_lines(text: str) -> list[Any]:
    """Return what `--json` printed: one object a line, and nothing else."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(isinstance(each, dict) for each in found), text
    return found


class CommandLine:
    """Runs `servery` in a folder with a workspace of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.environment = {
            **os.environ,
            "SERVERY_WORKSPACE": str(self.workspace),
            "SERVERY_ENGINE": "process",
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            # What is installed for the person's session and shell.
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "desktop.cli", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in a process of its own that has its modules already."""
        done = WARM_COMMANDS.run(arguments, self.folder, self.environment, TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def json(self, *arguments: str) -> Any:
        """Run a command that must succeed, and return the one object that it printed."""
        (only,) = self.json_lines(*arguments)
        return only

    def json_lines(self, *arguments: str) -> list[Any]:
        """Run a command that must succeed, and return the objects that it printed."""
        result = self.run(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json_lines(result.stdout)

    def shell(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script of bash to its first error, in which `servery` is as with `run`."""
        programs = self.folder / "bin"
        if not programs.exists():
            programs.mkdir()
            WARM_COMMANDS.write_program(programs / "servery", self.environment["PYTHONPATH"])
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={**self.environment, "PATH": path, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def backend(self) -> Iterator[None]:
        """Let the commands of the block use one backend, in place of each its own."""
        workspace = Workspace(self.workspace)
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "backend", "--workspace", str(self.workspace)),
                *("--engine", "process", "--port", "0"),
            ],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            block_until(lambda: process.poll() is not None or BackendRunFile.read(workspace))
            assert process.poll() is None
            yield
        finally:
            process.terminate()
            process.wait(TIMEOUT_SECONDS)

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """Run `servery serve` until the end of the block; yields the address of its backend."""
        process = self.start("serve", "--port", "0", "--instances", "1", *arguments)
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            address = process.stdout.readline().removeprefix("Servery answers at ").strip()
            said: list[str] = []
            # It says first what it found: instances that still run, files that are damaged.
            while (line := process.stderr.readline()) != "1 instance ready on process.\n":
                assert line, said
                said.append(line)
            yield address
        finally:
            # Not killed: it would leave its backend behind.
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
        assert (process.returncode, stderr) == (0, "Stopping\n")
