"""How much of what training runs leave behind is kept: their folders, and embeddings."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Collection
from pathlib import Path

MAX_RUN_FOLDERS = 100
"""Folders of training runs, with what each was to do and its log; the newest ones."""
MAX_EMBEDDING_BYTES = 4 * 2**30
"""Of all files of embeddings together; those used last are kept."""

_RUN_FOLDER = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4,8}")


def remove_old_run_folders(folder: Path, runs: Collection[str]) -> list[Path]:
    """Remove the folders of runs that are not among `runs`, and the oldest beyond the limit.

    Returns what was removed.
    """
    found = sorted(
        (path for path in _entries(folder) if _RUN_FOLDER.fullmatch(path.name)), reverse=True
    )
    known = [path for path in found if path.name in runs]
    kept = set(known[:MAX_RUN_FOLDERS])
    removed = [path for path in found if path not in kept]
    for path in removed:
        shutil.rmtree(path, ignore_errors=True)
    return removed


def remove_old_embeddings(folder: Path) -> list[Path]:
    """Remove the files of embeddings that were used least recently, beyond the limit.

    They are computed again when they are needed. Returns what was removed.
    """
    found = []
    for path in _entries(folder):
        with contextlib.suppress(OSError):
            if path.suffix == ".embeddings" and path.is_file():
                found.append((path.stat(), path))
    total = 0
    removed = []
    for state, path in sorted(found, key=lambda each: -each[0].st_mtime):
        total += state.st_size
        if total > MAX_EMBEDDING_BYTES:
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
