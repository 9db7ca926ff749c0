"""Whether lock files are held, and by whom; light to import."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def lock_holder(path: Path) -> int | None:
    """Return the id of the process that holds the lock file `path`; None if nobody can tell.

    Also None if nobody holds it: see `is_locked`. Linux alone says who does.
    """
    try:
        status = path.stat()
        table = Path("/proc/locks").read_text()
    except OSError:
        return None
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in table.splitlines():
        # 7: FLOCK  ADVISORY  WRITE 1458 fe:00:753898 0 EOF
        words = line.split()
        if len(words) > 5 and (words[1], words[3], words[5]) == ("FLOCK", "WRITE", file):
            return int(words[4]) or None
    return None


def is_locked(path: Path) -> bool:
    """Whether some process, this one included, holds the lock file `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is not waited for
    except OSError:
        return False
    try:
        # Without waiting, and shared, so that two that ask at once do not take each other for
        # the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False
