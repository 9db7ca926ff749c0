"""How many processor cores there are for TensorFlow to share out."""

from __future__ import annotations

import os


def core_count() -> int:
    """Return the number of cores, at least 1; a limit set on the process counts."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1
