"""The processes that run instances: how they are found, and how they end.

A process is known by its marker, the argument of its command line that no other
process has; a process id alone may belong to somebody else by now.

The operating system keeps how a process ended for its parent, until the parent
asks. So children belong to the program and not to one engine object.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Container

import psutil

from serving.errors import EngineError

KILL_SECONDS = 5.0
"""How long a killed process may take to be gone."""
_POLL_SECONDS = 0.02

_children: dict[str, subprocess.Popen[bytes]] = {}


def add(marker: str, process: subprocess.Popen[bytes]) -> None:
    """Remember a child that was just started."""
    _children[marker] = process


def reap(prefix: str, known: Container[str]) -> None:
    """Forget every child that has exited, except those whose exit is still to be reported.

    Only of those whose marker starts with `prefix`; `known` are markers.
    """
    for marker, process in list(_children.items()):
        if marker.startswith(prefix) and process.poll() is not None and marker not in known:
            _children.pop(marker, None)


def find(marker: str, process_id: int) -> psutil.Process | None:
    """Return the live process with this marker; `process_id` is 0 if it is not known."""
    child = _children.get(marker)
    try:
        if child is not None:
            return psutil.Process(child.pid) if child.poll() is None else None
        if process_id:
            process = psutil.Process(process_id)
            return process if _is_marked(process, marker) else None
    except psutil.Error:
        return None
    for process in psutil.process_iter():
        try:
            if _is_marked(process, marker):
                return process
        except psutil.Error:
            continue
    return None


def exit_reason(marker: str) -> str | None:
    """Say how a child ended; None if it has not, or another program is its parent."""
    child = _children.get(marker)
    status = child.poll() if child is not None else None
    if status is None:
        return None
    if status < 0:
        try:
            return f"The process was ended by {signal.Signals(-status).name}."
        except ValueError:
            return f"The process was ended by signal {-status}."
    if status:
        return f"The process ended with exit status {status}."
    return "The process ended by itself."


async def terminate(marker: str, process: psutil.Process, grace: float) -> bool:
    """Ask a process to end and kill it after `grace` seconds; False if it had to be killed.

    Raises EngineError if it cannot be ended, psutil.AccessDenied if it may not be.
    """
    try:
        process.terminate()
        if await _exits_within(marker, process, grace):
            return True
        process.kill()
        if await _exits_within(marker, process, KILL_SECONDS):
            return False
    except psutil.NoSuchProcess:
        return True
    raise EngineError(
        f"Process {process.pid} does not end.",
        "It waits for the disk or the kernel; look at it with the system's process list.",
    )


def _is_marked(process: psutil.Process, marker: str) -> bool:
    return marker in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE


async def _exits_within(marker: str, process: psutil.Process, seconds: float) -> bool:
    """Say whether a process ends within so many seconds."""
    deadline = time.monotonic() + seconds
    while not _has_exited(marker, process):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _has_exited(marker: str, process: psutil.Process) -> bool:
    child = _children.get(marker)
    if child is not None:
        # Only `poll` reaps it: psutil would see a zombie for ever.
        return child.poll() is not None
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
