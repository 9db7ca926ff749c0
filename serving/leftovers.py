"""What programs that were killed left half written: recognised by its name, and removed.

The name of each file or folder that is renamed into place later says which process writes it,
so that what an ended one left can be told from what another is writing now, and both from what a
person put there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from serving.process_identity import process_age, process_identity

TEMPORARY_PREFIX = "servery-"
ABANDONED_SECONDS = 3600.0
"""What a name of an older Servery says no process of is abandoned after so long unchanged."""
TEMPORARY_SECONDS = 24 * 3600.0
"""The same in the system's folder for temporary files."""

_TAG = r"(?P<process>\d+)-(?P<identity>[0-9a-f]{8})-[0-9a-f]{8}"
_TAGGED = re.compile(rf"\.(?:.+\.|staging-|seen-){_TAG}")
_TAGGED_TEMPORARY = re.compile(rf"{TEMPORARY_PREFIX}[a-z]+-{_TAG}.*")
_FORMER_TEMPORARY = re.compile(rf"{TEMPORARY_PREFIX}(ssh|base|image|openvino)-[a-z0-9_]{{8}}")
_FORMER_STAGING = re.compile(r"\.staging-(?P<process>\d+)-[0-9a-f]+")
_FORMER = re.compile(
    r"\.staging-[0-9a-f]{12}"
    r"|\.seen-[0-9a-f]{12}"
    r"|\.((serving|monitoring|faults)\.config|(served|model|fleet|backend|\w+-[0-9a-f]{6})\.json"
    r"|settings\.toml|[0-9a-f]{64}\.jpg)\.[0-9a-f]{8}"
)
"""Names by which versions before wrote aside, which do not say who writes."""


def writer_tag() -> str:
    """Return a new end for the name of what this process is about to write aside."""
    process = os.getpid()
    return f"{process}-{_digest(process)}-{secrets.token_hex(4)}"


def is_left_over(path: Path) -> bool:
    """Say whether nobody writes a file or folder any more that was to be renamed into place.

    False for whatever else there is.
    """
    name = path.name
    tagged = _TAGGED.fullmatch(name) or _TAGGED_TEMPORARY.fullmatch(name)
    if tagged is not None:
        return _digest(int(tagged["process"])) != tagged["identity"]
    if _FORMER_TEMPORARY.fullmatch(name):
        return _is_unchanged_for(path, TEMPORARY_SECONDS)
    staging = _FORMER_STAGING.fullmatch(name)
    if staging is not None:
        # The process of this number may be another by now: then it is younger than the folder.
        running_for = process_age(int(staging["process"]))
        return running_for is None or _is_unchanged_for(path, running_for + 1)
    if name.startswith(".staging-") and _FORMER.fullmatch(name):
        return True
    return _FORMER.fullmatch(name) is not None and _is_unchanged_for(path, ABANDONED_SECONDS)


def sweep(folders: Iterable[Path]) -> list[Path]:
    """Remove what is left over directly in `folders`; returns what was removed."""
    removed = []
    for folder in folders:
        for path in _hidden(folder):
            if is_left_over(path):
                _remove(path)
                removed.append(path)
    return removed


def temporary_folder(purpose: str) -> tempfile.TemporaryDirectory[str]:
    """Return a folder in the system's place for temporary files, removed at its end.

    `purpose` is one word. If this process is killed, the next start removes it.
    """
    return tempfile.TemporaryDirectory(prefix=f"{TEMPORARY_PREFIX}{purpose}-{writer_tag()}-")


def sweep_temporary(folder: Path | None = None) -> list[Path]:
    """Remove what this user's programs left in the folder for temporary files."""
    removed = []
    for path in (folder or Path(tempfile.gettempdir())).glob(f"{TEMPORARY_PREFIX}*-*"):
        with contextlib.suppress(OSError):
            is_ours = path.lstat().st_uid == os.geteuid() and not path.is_symlink()
            if is_ours and path.is_dir() and is_left_over(path):
                _remove(path)
                removed.append(path)
    return removed


def _digest(process: int) -> str:
    """Return eight digits that no other process has; of none for one that has ended."""
    identity = process_identity(process)
    return hashlib.sha256(identity.encode()).hexdigest()[:8] if identity else "-"


def _is_unchanged_for(path: Path, seconds: float) -> bool:
    try:
        newest = max(each.lstat().st_mtime for each in (path, *path.rglob("*")))
    except OSError:
        return False
    return time.time() - newest > seconds


def _hidden(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from [Path(entry.path) for entry in entries if entry.name.startswith(".")]
    except OSError:
        return


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
