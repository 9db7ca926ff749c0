"""Folders in which versions and models are written before they are renamed into place.

Their names say which process writes them, so that those of a process that ended can be told
from those of one that goes on.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import psutil

STAGING_PREFIX = ".staging-"


def staging_name() -> str:
    """Return a new name for a folder that this process writes."""
    return f"{STAGING_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"


def is_staged_by_a_program(folder: Path) -> bool:
    """Say whether the process that writes the folder may still be running."""
    process = folder.name.removeprefix(STAGING_PREFIX).split("-")[0]
    return process.isdecimal() and psutil.pid_exists(int(process))
