"""Ends a process that is known to be ours, which is not a child of this one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from serving.process_identity import is_running

KILL_SECONDS = 5.0
"""How long a killed process may take to be gone."""
_POLL_SECONDS = 0.05


async def end_process(pid: int, identity: str, grace_seconds: float) -> bool:
    """Ask the very process with this identity to end, and kill it after `grace_seconds`.

    Returns False if it is still there then, waiting for the disk or the kernel, or may not be
    ended by this user. Without an identity nothing is ended.
    """
    with contextlib.suppress(ProcessLookupError):
        try:
            for number, seconds in (
                # One that was stopped (SIGSTOP) gets the first only once it goes on.
                (signal.SIGTERM, 0.0),
                (signal.SIGCONT, grace_seconds),
                (signal.SIGKILL, KILL_SECONDS),
            ):
                if not is_running(pid, identity):
                    return True
                os.kill(pid, number)
                if await _ends_within(pid, identity, seconds):
                    return True
        except PermissionError:
            return False
    return not is_running(pid, identity)


async def _ends_within(pid: int, identity: str, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while is_running(pid, identity):
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True
