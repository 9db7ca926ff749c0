"""Where a running backend can be found, and the lock that keeps it the only one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from filelock import FileLock, Timeout

from serving.errors import BackendError
from serving.files import write_aside
from serving.workspace import Workspace


@dataclass(frozen=True)
class BackendRunFile:
    """The process id and the address of a running backend."""

    pid: int
    url: str

    @classmethod
    def read(cls, workspace: Workspace) -> BackendRunFile | None:
        """Return what the last backend of the workspace wrote; it may have crashed since."""
        try:
            raw = json.loads(workspace.backend_run_file.read_bytes())
            return cls(int(raw["pid"]), str(raw["url"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, workspace: Workspace) -> None:
        write_aside(workspace.backend_run_file, json.dumps(asdict(self)) + "\n")


class AlreadyRunning(BackendError):
    """Another backend serves this workspace."""


@contextmanager
def backend_lock(workspace: Workspace) -> Iterator[None]:
    """Lock the workspace for this process; remove its run file at the end.

    The operating system releases the lock when the process ends, however it ends.
    Raises AlreadyRunning if another process holds it.
    """
    run_file = workspace.backend_run_file
    run_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_file.with_suffix(".lock"))
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        raise _already_running(workspace) from None
    with held:
        # A backend that crashed has left its own, which would send clients nowhere.
        run_file.unlink(missing_ok=True)
        try:
            yield
        finally:
            run_file.unlink(missing_ok=True)


def _already_running(workspace: Workspace) -> AlreadyRunning:
    running = BackendRunFile.read(workspace)
    where = f"at {running.url} (process {running.pid})" if running else "and is just starting"
    return AlreadyRunning(
        f"A backend for the workspace {workspace.root} is running already, {where}.",
        "Use that one, or stop it first.",
    )
