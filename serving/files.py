"""Writes files that other programs read."""

from __future__ import annotations

import os
import secrets
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
