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

from tests.conftest import ROOT

TIMEOUT_SECONDS = 150


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
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "desktop.cli", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )

    def json(self, *arguments: str) -> Any:
        """Run a command that must succeed, and return what it printed as JSON."""
        result = self.run(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

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
