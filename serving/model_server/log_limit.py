"""A program that keeps the file of its own output small, watched or not.

Its parent opened the file and may be gone. TensorFlow prints to it past Python. So a thread of the
program itself looks at how large the file behind its standard error is, and goes on in a new one.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from serving.tf.inotify import Inotify

MAX_LOG_BYTES = 10 * 2**20
"""Of a log; the part before it, of as many bytes, is kept in a file of its own."""
LIMIT_VARIABLE = "SERVERY_LOG_BYTES"
"""Set in the environment of a program whose log belongs to Servery."""
POLL_SECONDS = 1.0
"""Between two looks at a log to which something is written."""

_STDOUT, _STDERR = 1, 2


def older_part(log: Path) -> Path:
    """Return where the part before what is in `log` is kept."""
    return log.with_name(f"{log.name}.1")


def limit_own_log(is_ours: Callable[[Path], bool], max_bytes: int = MAX_LOG_BYTES) -> None:
    """Keep the log of this process within `max_bytes`, and as much again, until it ends.

    Only if its standard error is a file for whose path `is_ours` is true: one to which a person
    sent the output is left alone.
    """
    log = _own_log()
    if log is not None and is_ours(log):
        threading.Thread(
            target=_watch, args=(log, max_bytes), name="log limit", daemon=True
        ).start()


def limit_log_by_environment() -> None:
    """Do so if LIMIT_VARIABLE says how many bytes."""
    limit = os.environ.get(LIMIT_VARIABLE, "")
    if limit.isdecimal() and int(limit):
        limit_own_log(lambda _: True, int(limit))


def _watch(log: Path, max_bytes: int) -> None:
    while True:
        _wait_for_write()
        time.sleep(POLL_SECONDS)
        if (now := _own_log()) is not None and now != log:
            return  # the program goes on in another log, which has a thread of its own
        with contextlib.suppress(OSError):
            if os.fstat(_STDERR).st_size > max_bytes:
                _begin_new(log)


def _wait_for_write() -> None:
    """Return once something was written; at once where the system does not tell."""
    with contextlib.suppress(OSError), Inotify() as inotify:
        inotify.watch_writes(Path(f"/proc/self/fd/{_STDERR}"))
        inotify.wait()


def _own_log() -> Path | None:
    try:
        path = Path(f"/proc/self/fd/{_STDERR}").readlink()
        return path if _is_stderr(path) else None
    except OSError:
        return None


def _is_stderr(path: Path) -> bool:
    state = os.fstat(_STDERR)
    try:
        return stat.S_ISREG(state.st_mode) and os.path.samestat(path.stat(), state)
    except FileNotFoundError:
        return False


def _begin_new(log: Path) -> None:
    """Go on in a new file of the same name; raises OSError.

    No line is lost: each is in the one file or in the other.
    """
    if not _is_stderr(log):
        # Somebody removed it, or put another in its place: nobody reads it, yet it takes room.
        os.ftruncate(_STDERR, 0)
        return
    shares_stdout = os.path.samestat(os.fstat(_STDOUT), os.fstat(_STDERR))
    aside = log.with_name(f".{log.name}.aside")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        os.dup2(descriptor, _STDERR)
        if shares_stdout:
            os.dup2(descriptor, _STDOUT)
    finally:
        os.close(descriptor)
    # From here on it writes to the new file: renaming a file leaves it open for its writers.
    log.replace(older_part(log))
    aside.replace(log)
