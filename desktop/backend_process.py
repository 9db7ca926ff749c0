"""Finds the workspace's backend, or starts one and stops it again."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

from backend.client import BackendClient
from backend.contract import DEFAULT_PORT, EXIT_ALREADY_RUNNING
from serving.engines.names import AUTO
from serving.errors import BackendError
from serving.programs import module_command
from serving.workspace import Workspace

START_TIMEOUT_SECONDS = 60.0
"""How long a backend may take until it answers."""
STOP_TIMEOUT_SECONDS = 15.0
"""How long it may take to exit before it is killed."""
LOG_NAME = "backend.log"
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class BackendHandle:
    """A backend that answered."""

    url: str
    process: subprocess.Popen[bytes] | None = None
    """The process if it was started here."""

    @property
    def started_here(self) -> bool:
        return self.process is not None

    async def exited(self) -> int:
        """Return the exit code once the process exits; never returns if it was not started here."""
        while True:
            code = None if self.process is None else self.process.poll()
            if code is not None:
                return code
            await asyncio.sleep(4 * _POLL_SECONDS)

    async def stop(self) -> None:
        """Stop the process if it was started here, gracefully; any other backend runs on."""
        if self.process is not None:
            await _terminate(self.process)


async def ensure_backend(
    workspace: Workspace, *, host: str = "127.0.0.1", port: int = DEFAULT_PORT, engine: str = AUTO
) -> BackendHandle:
    """Return the workspace's backend; start one if none answers.

    It listens on `port`, or on a free one if that is taken. Raises BackendError
    if it does not come up. However this ends, a process that it started and does
    not return has been waited for.
    """
    found = await _find_running(workspace)
    if found is not None:
        return BackendHandle(found[0])
    log = workspace.create().logs / LOG_NAME
    arguments = ["--workspace", str(workspace.root), "--host", host, "--port", str(port)]
    process = _spawn([*module_command("backend"), *arguments, "--engine", engine], log)
    keep = False
    try:
        url, pid = await _wait_until_ready(workspace, process, log)
        keep = pid == process.pid
    finally:
        # Another program may have started its backend first. Ours cannot serve the workspace
        # then, and nobody else would wait for it.
        if not keep:
            await asyncio.shield(_terminate(process))
    return BackendHandle(url, process if keep else None)


def _spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process of its own session: a Ctrl+C meant for its parent does not reach it."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def _wait_until_ready(
    workspace: Workspace, process: subprocess.Popen[bytes], log: Path
) -> tuple[str, int]:
    """Return the URL and the process id of the backend that answers, be it `process` or not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_TIMEOUT_SECONDS
    while loop.time() < deadline:
        code = process.poll()
        found = await _find_running(workspace)
        if found is not None:
            return found
        if code not in (None, EXIT_ALREADY_RUNNING):
            raise BackendError(
                f"The backend exited while starting: {_last_line(log)}",
                f"Its output is in {log}.",
            )
        await asyncio.sleep(_POLL_SECONDS)
    raise BackendError(
        f"The backend did not answer within {START_TIMEOUT_SECONDS:.0f} s.", f"Look at {log}."
    )


async def _find_running(workspace: Workspace) -> tuple[str, int] | None:
    """Return the URL and the process id of the backend that answers; None if none does."""
    client = await BackendClient.find(workspace)
    if client is None:
        return None
    async with client:
        try:
            health = await client.health()
        except BackendError:  # it exited since it was found
            return None
    return client.url, health.process


async def _terminate(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STOP_TIMEOUT_SECONDS
    while process.poll() is None:
        if loop.time() > deadline:
            process.kill()
        await asyncio.sleep(_POLL_SECONDS)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing.")
