"""Where a running backend can be found, and the lock that keeps it the only one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from filelock import FileLock, Timeout

from serving.errors import BackendError, storage_error
from serving.files import write_aside
from serving.json_decode import decode
from serving.process_identity import is_running
from serving.state_files import UnreadableFile, read_object, set_aside
from serving.workspace import Workspace

LOCK_SECONDS = 1.0
"""How long a start waits for the lock: a program that checks whether it is held takes it for a
moment."""


@dataclass(frozen=True)
class BackendRunFile:
    """The process id and the address of a running backend, and who started it.

    A backend of an older version wrote the first two alone.
    """

    pid: int
    url: str
    identity: str = ""
    """Of the process: see `serving.process_identity`."""
    host: str = ""
    """The address that it was asked to listen on; empty if that is not known."""
    started_by: str = ""
    """The program that started it, such as `servery serve`; empty if somebody did by hand."""
    owner_pid: int = 0
    owner_identity: str = ""
    allow_hosts: list[str] = field(default_factory=list)
    """The host names by which browsers may reach it besides those of this machine."""
    memory_budget: int = 0
    """Bytes that photos in flight may take; 0 if that is not known."""
    database: str = ""
    """Which database of PostgreSQL it keeps labels in, without a password; empty for SQLite."""

    @classmethod
    def read(cls, workspace: Workspace) -> BackendRunFile | None:
        """Return what the last backend of the workspace wrote; it may have crashed since.

        None without a file, or if the file is damaged. Anybody may have written it who may
        write into the workspace: ask `is_ours` before anything is sent there.
        """
        try:
            raw = read_object(workspace.backend_run_file)
            return None if raw is None else decode(cls, raw)
        except (UnreadableFile, ValueError):
            return None

    def is_ours(self) -> bool:
        """Whether a process of this user listens at the address on this machine.

        What is sent there, labels and the workspace's token, then reaches nobody else. A
        process of the administrator counts too: nothing is secret from it anyway.
        """
        try:
            address = urlsplit(self.url)
            host, port = ip_address(address.hostname or ""), address.port
            process = psutil.Process(self.pid)
            owner = process.uids().real
            if address.scheme not in ("http", "https") or not port or owner not in (0, os.getuid()):
                return False
            if owner == 0 and os.getuid() != 0:  # whose connections it does not show to others
                return host.is_loopback
            return any(
                connection.status == psutil.CONN_LISTEN
                and connection.laddr.port == port
                and _reaches(host, ip_address(connection.laddr.ip))
                for connection in process.net_connections("tcp")
            )
        except (ValueError, psutil.Error, OSError, OverflowError):
            return False

    def write(self, workspace: Workspace) -> None:
        write_aside(workspace.backend_run_file, json.dumps(asdict(self)) + "\n")

    @property
    def is_orphaned(self) -> bool:
        """Whether the program that started it is gone, so that nobody will stop it."""
        return bool(self.started_by) and not is_running(self.owner_pid, self.owner_identity)

    @property
    def owner(self) -> str:
        """Who runs it, for a sentence."""
        if not self.started_by:
            return "somebody who started it by hand"
        return f"{self.started_by} (process {self.owner_pid})"


def _reaches(host: IPv4Address | IPv6Address, listens_at: IPv4Address | IPv6Address) -> bool:
    """Say whether what is sent to `host` arrives at a socket of this machine at an address."""
    return host == listens_at or (listens_at.is_unspecified and host.is_loopback)


class AlreadyRunning(BackendError):
    """Another backend serves this workspace."""


def backend_lock_file(workspace: Workspace) -> Path:
    """Return the file that a running backend holds a lock on."""
    return workspace.backend_run_file.with_suffix(".lock")


@contextmanager
def backend_lock(workspace: Workspace) -> Iterator[None]:
    """Lock the workspace for this process; remove its run file at the end.

    The operating system releases the lock when the process ends, however it ends.
    Raises AlreadyRunning if another process holds it.
    """
    run_file = workspace.backend_run_file
    lock = FileLock(backend_lock_file(workspace))
    try:
        run_file.parent.mkdir(parents=True, exist_ok=True)
        held = lock.acquire(timeout=LOCK_SECONDS, poll_interval=0.05)
    except Timeout:
        raise _already_running(workspace) from None
    except OSError as error:
        what = f"The workspace {workspace.root} cannot be used"
        raise storage_error(error, run_file.parent, what, BackendError) from error
    with held:
        # A backend that crashed has left its own, which would send clients nowhere.
        _remove(workspace)
        try:
            yield
        finally:
            _remove(workspace)


def _remove(workspace: Workspace) -> None:
    """Remove the run file, as far as the disk allows it: nobody believes one that stays."""
    run_file = workspace.backend_run_file
    with contextlib.suppress(OSError):
        if run_file.is_dir() and not run_file.is_symlink():
            set_aside(run_file, workspace.damaged)
        run_file.unlink(missing_ok=True)


def _already_running(workspace: Workspace) -> AlreadyRunning:
    running = BackendRunFile.read(workspace)
    where = f"at {running.url} (process {running.pid})" if running else "and is just starting"
    return AlreadyRunning(
        f"A backend for the workspace {workspace.root} is running already, {where}.",
        "Use that one, or stop it first.",
    )
