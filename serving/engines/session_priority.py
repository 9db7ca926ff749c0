"""How much of the processor a process in a session of its own gets beside other sessions.

Linux shares a core among sessions first (sched(7), autogroup). Unlike the niceness of a process,
that of a session can be taken back by the user who gave it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

_STARTING_NICENESS = 7
"""A fifth of what another session gets on a core that both want."""
_RETRIES, _RETRY_SECONDS = 20, 0.11
"""The system lets a user change this ten times a second."""
_NICENESS = re.compile(r"nice (-?\d+)")


def leave_processor_to_others(pid: int) -> None:
    """Give the session of a process less of the processor; does nothing where none has a share."""
    _set(pid, _STARTING_NICENESS)


async def take_full_share(pid: int) -> None:
    """Give the session of a process as much of the processor as others have."""
    if has_full_share(pid):
        return
    for _ in range(_RETRIES):
        _set(pid, 0)
        if has_full_share(pid):
            return
        await asyncio.sleep(_RETRY_SECONDS)


def has_full_share(pid: int) -> bool:
    """Say whether the session of a process has as much as others; True if nobody knows."""
    try:
        found = _NICENESS.search(_path(pid).read_text())
    except OSError:
        return True
    return found is None or int(found[1]) <= 0


def _set(pid: int, niceness: int) -> None:
    # Not there if the system does not group programs by sessions, or the process has ended.
    with contextlib.suppress(OSError):
        _path(pid).write_text(str(niceness))


def _path(pid: int) -> Path:
    return Path(f"/proc/{pid}/autogroup")
