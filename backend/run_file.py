"""Where a running backend can be found, and that there is only one a workspace."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from serving.errors import BackendError
from serving.files import write_aside
from serving.workspace import Workspace


@dataclass(frozen=True)
class BackendRunFile:
    """What a running backend says of itself."""

    pid: int
    url: str

    @classmethod
    def read(cls, workspace: Workspace) -> BackendRunFile | None:
        """Return what the last backend of the workspace said; it may have crashed since."""
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
    """Hold the workspace for this process; remove its run file at the end.

    The system lets go of it when the process ends, however it ends. Raises
    AlreadyRunning where another process holds it.
    """
    path = workspace.backend_run_file.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if not _lock(file.fileno()):
            raise _already_running(workspace)
        workspace.backend_run_file.unlink(missing_ok=True)
        try:
            yield
        finally:
            workspace.backend_run_file.unlink(missing_ok=True)


def _already_running(workspace: Workspace) -> AlreadyRunning:
    running = BackendRunFile.read(workspace)
    where = f"at {running.url} (process {running.pid})" if running else "and is just starting"
    return AlreadyRunning(
        f"A backend for the workspace {workspace.root} is running already, {where}.",
        "Use that one, or stop it first.",
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
