"""Keeps repairs and the programs that use a database apart.

Each program that uses the database holds a shared lock on `.NAME.lock`. A repair first locks
`.NAME.repair.lock`, by which the others see that they are to let go, and then `.NAME.lock`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from serving.lock_state import is_locked
from serving.state_files import UnreadableFile

_EXCLUSIVE_SECONDS = 5.0
"""How long a repair waits for the programs that use a database."""
_REPAIR_SECONDS = 10.0
"""How long those wait for a repair, and for the lock after it."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep every Database of the file `path` closed, in all programs.

    One that is open is asked to let go of it, which takes about a second. Raises TimeoutError
    if a program does not answer, or repairs it already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The lock says that a repair is asked for, not the file: a repair that was killed asks no more.
    with _locked(_repair_path(path)), _locked(_lock_path(path)):
        yield


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        _lock_within(descriptor, fcntl.LOCK_EX, _EXCLUSIVE_SECONDS)
        yield
    finally:
        os.close(descriptor)


def is_being_repaired(path: Path) -> bool:
    """Whether a program repairs a database, or waits until it can."""
    return is_locked(_repair_path(path))


def shared_lock(path: Path) -> int | None:
    """Return a descriptor that keeps repairs away until it is closed.

    None on a disk that can only be read, on which nothing is repaired. Raises OSError, and
    UnreadableFile if a repair takes long.
    """
    deadline = time.monotonic() + _REPAIR_SECONDS
    while is_being_repaired(path):
        if time.monotonic() > deadline:
            raise UnreadableFile(path, "it is being repaired", "Try again in a minute.")
        time.sleep(0.05)
    try:
        descriptor = os.open(_lock_path(path), _FLAGS, 0o600)
    except OSError as error:
        if error.errno == errno.EROFS:
            return None
        raise
    try:
        _lock_within(descriptor, fcntl.LOCK_SH, _REPAIR_SECONDS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock_within(descriptor: int, kind: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another program uses it") from None
            time.sleep(0.05)


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _repair_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.repair.lock")
