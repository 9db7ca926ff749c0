"""A program that takes the processor, the disk and memory only after others."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

NICE = 10
"""nice(2): a tenth of the share that a program of the default priority gets."""
GROUP_NICE = 5
"""The same of the session (sched(7), autogroup): a third of the share of another session. Linux
shares a core among sessions first, so that `NICE` says nothing to instances, which have others."""
GROUP_PATH = Path("/proc/self/autogroup")
"""Not there if the system does not group programs by sessions."""
_OOM_SCORE = 500
"""proc(5): out of memory, the system ends this program before one that takes half of all."""


def lower_priority() -> None:
    """Let this process wait for others, as far as the system lets it."""
    with contextlib.suppress(OSError):
        os.nice(NICE)
    # In a session that is not its own, that would slow down others, such as a shell.
    if GROUP_PATH.exists() and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            GROUP_PATH.write_text(str(GROUP_NICE))
    # Not SCHED_IDLE: under a load that takes every core, a training run would never end.
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if hasattr(psutil, "IOPRIO_CLASS_IDLE"):
        with contextlib.suppress(OSError, psutil.Error):
            psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
