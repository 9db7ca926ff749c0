"""The user that a container runs as, so that it can read the model and little else."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

_ROOT = "0:0"


def container_user(folder: Path, *, rootless: bool) -> str:
    """Return the `uid:gid` to run as; empty for the image's own user.

    On Linux it is the person's own id, since containers read the person's files.
    For root it is the image's user if everybody may read the folder. If the
    engine runs without root, root inside is the person outside. On other systems
    the engine lets a container read what the person may read, as any user.
    """
    if sys.platform != "linux":
        return ""
    if not rootless and os.getuid() != 0:
        return f"{os.getuid()}:{os.getgid()}"
    return "" if readable_by_all(folder) else _ROOT


def readable_by_all(folder: Path) -> bool:
    """Whether everybody may read every file in `folder`."""
    return all(_readable_by_all(path) for path in (folder, *folder.rglob("*")))


def _readable_by_all(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True  # removed since it was listed
    needed = stat.S_IROTH | stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH
    return mode & needed == needed
