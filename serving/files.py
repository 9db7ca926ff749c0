"""Writes files that other programs read, and shares those that never change."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from pathlib import Path

from serving.private import persons_umask


def write_aside(path: Path, data: bytes | str) -> None:
    """Write `data` beside `path`, flush it to disk, then rename it into place.

    A reader sees the old content or the new content, never a part of it. Nobody but the
    person can read it (0600).
    """
    _write_aside(path, data, mode=0o600)


def write_export(path: Path, data: bytes | str) -> None:
    """Write a file that people asked for, as `write_aside`, with the rights of their umask.

    Those who cannot enter the folder, such as the workspace, get none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent.stat().st_mode
    with persons_umask() as umask:
        mode = 0o666 & ~umask
    for enter, rights in ((stat.S_IXGRP, stat.S_IRWXG), (stat.S_IXOTH, stat.S_IRWXO)):
        if not folder & enter:
            mode &= ~rights
    _write_aside(path, data, mode)


def _write_aside(path: Path, data: bytes | str, mode: int) -> None:
    content = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(aside, flags, 0o600), "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def link_or_copy(source: str, target: str) -> str:
    """Make `target` the same file on disk as `source`, or a copy where that is impossible.

    Only for files that are never written again. Returns `target`; raises OSError.
    """
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
    return target
