"""UNIX sockets that servers listen on, for their owner alone."""

from __future__ import annotations

import contextlib
import socket
import stat
from pathlib import Path


def listen_on(path: str) -> socket.socket:
    """Return a socket that is bound to `path`, 0600; raises OSError.

    What a server that was killed left there is replaced, and one that answers is not.
    """
    _remove_abandoned(Path(path))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        keep_to_owner(path)
    except OSError:
        listener.close()
        raise
    return listener


def keep_to_owner(path: str) -> None:
    """Let nobody but the owner of a socket, and root, connect to it."""
    Path(path).chmod(0o600)


def _remove_abandoned(path: Path) -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
