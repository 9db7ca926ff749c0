"""Writes files that other programs read, and shares those that never change."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path


def write_aside(path: Path, data: bytes | str) -> None:
    """Write `data` beside `path`, flush it to disk, then rename it into place.

    A reader sees the old content or the new content, never a part of it.
    """
    content = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with aside.open("wb") as file:
            file.write(content)
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
