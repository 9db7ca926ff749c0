"""Whether a library ended the process when it was used in the same way before.

What C code does wrong ends the whole process, and would end the one that takes its place too.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORGOTTEN_SECONDS = 3600.0
"""After so long it is tried again: the library or the machine may be another one."""
_PREFIX = "servery-openvino-crash-"

_current: Path | None = None
"""The file of the block that is being executed."""


class RecentCrash(Exception):
    """The same ended a process a short time ago; the message is a sentence that says so."""


@contextmanager
def recorded(key: str) -> Iterator[None]:
    """Note it for other processes if one of C's faults (SIGSEGV, SIGILL, SIGABRT …) ends the block.

    `key` names what is done, in letters and digits. Raises RecentCrash, without having entered the
    block, if it ended a process of this user within FORGOTTEN_SECONDS. One block at a time.
    """
    global _current
    prefix = f"{_PREFIX}{key}-"
    recent = filter(_is_recent, Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    if any(path.name.startswith(prefix) for path in recent):
        raise RecentCrash("OpenVINO ended a process that did the same a short time ago.")
    was_enabled = faulthandler.is_enabled()
    with tempfile.NamedTemporaryFile(prefix=prefix) as file:
        # Writes to the file only as the process ends, and then nothing removes it.
        faulthandler.enable(file, all_threads=False)
        _current = Path(file.name)
        try:
            yield
        finally:
            _current = None
            faulthandler.disable()
            if was_enabled:
                faulthandler.enable()


def stop_recording() -> None:
    """Leave no record of a block that is being executed: this process ends of its own accord."""
    if _current is not None:
        faulthandler.disable()
        _current.unlink(missing_ok=True)


def _is_recent(path: Path) -> bool:
    """Say whether a record was written a short time ago; an old one is removed."""
    with contextlib.suppress(OSError):
        state = path.lstat()
        if state.st_uid != os.getuid():
            return False
        if time.time() - state.st_mtime < FORGOTTEN_SECONDS:
            return state.st_size > 0
        path.unlink()
    return False
