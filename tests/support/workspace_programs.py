"""Programs of one workspace, as processes that a test ends in every way there is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from desktop.workspace_processes import workspace_processes
from serving.models.repository import ModelRepository
from serving.process_identity import is_running
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.tiny_model import install_tiny
from tests.support.waiting import block_until


class WorkspacePrograms(CommandLine):
    """Starts `servery serve` several times in one workspace, and sees what is left."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.space = Workspace(self.workspace).create()
        install_tiny(ModelRepository(self.space.models))
        self._started: list[subprocess.Popen[str]] = []

    def start_serve(self, *arguments: str, instances: int = 1, nohup: bool = False) -> Serve:
        """Start `servery serve`; returns once its instances are ready and its backend answers."""
        command = [*self.command("serve", "--instances", str(instances)), *arguments]
        number = len(self._started)
        out, err = self.folder / f"serve-{number}.out", self.folder / f"serve-{number}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process: subprocess.Popen[str] = subprocess.Popen(
                ["nohup", *command] if nohup else command,
                cwd=self.folder,
                env=self.environment,
                stdout=stdout,
                stderr=stderr,
                text=True,
            )
        self._started.append(process)
        serve = Serve(process, out, err)
        block_until(
            lambda: (serve.url and " ready on " in serve.messages) or process.poll() is not None,
            details=lambda: serve.messages,
        )
        assert process.poll() is None, serve.messages
        return serve

    @property
    def run_file(self) -> dict[str, Any]:
        try:
            raw: dict[str, Any] = json.loads(self.space.backend_run_file.read_text())
            return raw
        except (OSError, ValueError):
            return {}

    def left(self) -> list[str]:
        """Return what of the workspace runs, by kind."""
        return sorted(each.kind for each in workspace_processes(self.space))

    def close(self) -> None:
        """End all that is left, whatever the test left it like."""
        for process in self._started:
            process.kill()
            process.wait()
        for each in workspace_processes(self.space):
            if is_running(each.pid, each.identity):
                with suppress(ProcessLookupError):
                    os.kill(each.pid, signal.SIGKILL)
        block_until(lambda: not self.left())


class Serve:
    """One `servery serve` that runs."""

    def __init__(self, process: subprocess.Popen[str], out: Path, err: Path) -> None:
        self.process = process
        self._out, self._err = out, err

    @property
    def urls(self) -> list[str]:
        """Every address that it printed."""
        return [
            line.removeprefix("Servery answers at ")
            for line in self._out.read_text().splitlines()
            if line.startswith("Servery answers at ")
        ]

    @property
    def url(self) -> str:
        return self.urls[-1] if self.urls else ""

    @property
    def messages(self) -> str:
        return self._err.read_text()


@contextmanager
def workspace_programs(folder: Path) -> Iterator[WorkspacePrograms]:
    programs = WorkspacePrograms(folder)
    try:
        yield programs
    finally:
        programs.close()
