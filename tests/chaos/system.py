"""The whole application as a person leaves it running: `servery serve` and all that it starts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from backend.run_file import BackendRunFile
from serving.workspace import ENVIRONMENT_VARIABLE, Workspace
from tests.chaos.report import Report
from tests.conftest import ROOT

START_SECONDS = 90.0
STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1
_KINDS = {
    "backend.training.worker": "worker",
    "serving.model_server": "instance",
    "desktop.cli": "serve",
    "backend": "backend",
}
"""What a process is, by the module that it runs."""


class System:
    """One workspace, and the programs that work on it; what they print goes to `log`."""

    def __init__(self, workspace: Workspace, log: Path, instances: int) -> None:
        self.workspace = workspace
        self.log = log
        self.instances = instances
        self.port = 0
        """Of the backend; kept from the first start on."""
        self.serve: asyncio.subprocess.Process | None = None
        self.environment = {
            **os.environ,
            ENVIRONMENT_VARIABLE: str(workspace.root),
            "SERVERY_ENGINE": "process",
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start `servery serve`, as often as it takes; returns once it printed its address."""
        deadline = time.monotonic() + START_SECONDS
        while not await self._start():
            # It may not start on a full disk; a person tries again.
            assert time.monotonic() < deadline, f"`servery serve` does not start; see {self.log}"
            await asyncio.sleep(1)

    async def _start(self) -> bool:
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "desktop.cli", "serve", "--port", str(self.port)),
                *("--instances", str(self.instances)),
                cwd=self.log.parent,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while line := (await process.stdout.readline()).decode():
                if line.startswith("Servery answers at "):
                    self.port = int(line.strip().rpartition(":")[2].rstrip("/"))
                    self.serve = process
                    return True
        await process.wait()
        return False

    async def kill(self) -> None:
        """Kill `servery serve` as `kill -9` does; what it started is left to itself."""
        assert self.serve is not None
        process, self.serve = self.serve, None
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def follow(self, report: Report) -> None:
        """Start `servery serve` again whenever it gives up, which it must not; until cancelled."""
        while True:
            process = self.serve
            if process is not None and process.returncode is not None and process is self.serve:
                report.violate(f"`servery serve` ended with exit code {process.returncode}.")
                await self.start()
            await asyncio.sleep(_POLL_SECONDS)

    async def stop(self) -> None:
        """End `servery serve` in good order, then everything else of the workspace."""
        process, self.serve = self.serve, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOP_SECONDS):
                await process.communicate()
        await self.command("stop")

    async def command(self, *arguments: str) -> int:
        """Run a command of `servery` on the workspace; returns its exit code.

        One that takes too long is interrupted: scaling waits for instances, and may do so for
        as long as those that failed are not replaced.
        """
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "desktop.cli", *arguments),
                cwd=self.log.parent,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    return await process.wait()
            except TimeoutError:
                process.send_signal(signal.SIGINT)
                async with asyncio.timeout(STOP_SECONDS):
                    return await process.wait()

    def backend(self) -> psutil.Process | None:
        """Return the process of the backend, if one runs."""
        running = BackendRunFile.read(self.workspace)
        found = self.processes("backend")
        return next((each for each in found if running and each.pid == running.pid), None)

    def instance_processes(self) -> list[psutil.Process]:
        """Return the processes of the instances, the oldest first."""
        found = []
        for path in sorted(self.workspace.instances.glob("[!.]*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, psutil.Error):
                process = psutil.Process(int(json.loads(path.read_text())["process"]))
                if _kind(process) == "instance":
                    found.append((process.create_time(), process))
        return [process for _, process in sorted(found, key=lambda pair: pair[0])]

    def processes(self, kind: str = "") -> list[psutil.Process]:
        """Return every process of this workspace, or those of one kind."""
        return [each for each in self._processes() if kind in ("", _kind(each))]

    def memory(self) -> dict[str, int]:
        """Return the bytes that each process has of the machine's memory, by kind and id."""
        sizes = {}
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                sizes[f"{_kind(process)} {process.pid}"] = int(process.memory_info().rss)
        return sizes

    def _processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            if process.pid == os.getpid():
                continue
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                root = process.environ().get(ENVIRONMENT_VARIABLE)
                if root == str(self.workspace.root):
                    yield process


def _kind(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except psutil.Error:
        return "other"
    return next((kind for module, kind in _KINDS.items() if module in words), "other")
