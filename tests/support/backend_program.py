"""A backend as a program of its own, of which several may use one workspace."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.workspace import Workspace
from tests.support.waiting import TIMEOUT_SECONDS, block_until

ROOT = Path(__file__).resolve().parents[2]
_LISTENS = "The backend listens at "


class BackendProgram:
    """A backend that can be killed, and started again at the same address."""

    def __init__(self, workspace: Workspace, *options: str) -> None:
        self._command = [
            *(sys.executable, "-m", "backend", "--workspace", str(workspace.root)),
            *("--engine", "process", "--port", "0", *options),
        ]
        self.output: list[str] = []
        self.url = ""
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Return once it listens."""
        port = ["--port", self.url.rpartition(":")[2], "--exact-port"] if self.url else []
        self.url = ""
        process = subprocess.Popen(
            [*self._command, *port],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,))
        self._reader.start()
        block_until(lambda: self.url or process.poll() is not None)
        assert self.url, "".join(self.output)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.output.append(line)
                if _LISTENS in line:
                    self.url = line.partition(_LISTENS)[2].strip()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(TIMEOUT_SECONDS)
        if self._reader is not None:
            self._reader.join(TIMEOUT_SECONDS)


@contextmanager
def running(program: BackendProgram) -> Iterator[BackendProgram]:
    """Run a backend for the length of the block."""
    try:
        program.start()
        yield program
    finally:
        program.stop()
