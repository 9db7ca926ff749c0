"""Addresses of servers on this machine: `host:port`, or `unix:` and the path of a socket."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from serving.private import make_private_folder

_UNIX = "unix:"
MAX_PATH_BYTES = 107
"""The most that Linux allows for the path of a socket; one more is a 0."""
_RUNTIME_FOLDER = "XDG_RUNTIME_DIR"
_PREFIX = "servery-"


def unix_address(path: Path | str) -> str:
    """Return the address of a UNIX socket."""
    return f"{_UNIX}{path}"


def socket_path(address: str) -> str | None:
    """Return the path in the address of a UNIX socket; None for another address."""
    return address.removeprefix(_UNIX) if address.startswith(_UNIX) else None


def socket_folder(preferred: Path, longest_name: str) -> Path:
    """Return a folder of the person alone for sockets, made if it is missing; raises OSError.

    It is `preferred` unless its path is too long for a socket of this name. Then it is a new
    one in the person's runtime folder, or in the system's for temporary files, where nobody can
    have put anything before.
    """
    if len(os.fsencode(preferred / longest_name)) <= MAX_PATH_BYTES:
        make_private_folder(preferred)
        return preferred
    runtime = os.environ.get(_RUNTIME_FOLDER)
    with contextlib.suppress(OSError):
        if runtime and Path(runtime).stat().st_uid == os.getuid():
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=runtime))
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_temporary_folder()))


def remove_socket(path: Path) -> None:
    """Remove a socket, and its folder if `socket_folder` made that for it; nothing else."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    if path.parent.name.startswith(_PREFIX):
        with contextlib.suppress(OSError):  # as long as something is in it
            path.parent.rmdir()


def _temporary_folder() -> str:
    # The person's own may be too long a path as well.
    found = tempfile.gettempdir()
    return found if len(os.fsencode(found)) <= MAX_PATH_BYTES // 2 else "/tmp"
