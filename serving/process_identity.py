"""Which process it is, beyond its number, which another one has later."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

_STATE, _START_TICKS = 0, 19
"""Where in `/proc/PID/stat` these stand, counted after the name."""


def process_identity(pid: int) -> str:
    """Return what no other process had or will have; empty if there is no such process.

    It does not depend on the time of day, which people and programs adjust. One that has ended
    but was not waited for does not count.
    """
    fields = _stat(pid)
    if fields is not None:
        return "" if fields[_STATE] in "ZX" else f"{_boot()} {fields[_START_TICKS]}"
    if Path("/proc/self/stat").exists():
        return ""
    import psutil  # which takes long to import, and is needed on a system without /proc alone

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return f"{process.create_time():.2f}"
    return ""


def is_running(pid: int, identity: str) -> bool:
    """Whether the very process that had this identity still runs."""
    return bool(identity) and process_identity(pid) == identity


def process_age(pid: int) -> float | None:
    """Return for how many seconds a process has been running; None if it is gone."""
    fields = _stat(pid)
    if fields is None:
        return None
    since_boot = os.sysconf("SC_CLK_TCK")
    return max(0.0, _seconds_since_boot() - int(fields[_START_TICKS]) / since_boot)


def _seconds_since_boot() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name stands in brackets and may itself contain any of both.
    return text.rpartition(")")[2].split()


@cache
def _boot() -> str:
    """Return what differs after each start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
