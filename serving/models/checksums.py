"""SHA-256 of each file of a version, kept inside it in the form that `sha256sum -c` reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from serving.files import write_aside
from serving.state_files import DamagedFile, UnreadableFile, open_file, read_text

MAX_CHECKSUMS_BYTES = 2**24
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>.+)")
CHECKSUMS_PATH = Path("assets.extra") / "servery.sha256"
"""Where the checksums lie inside a version folder; its lines name files relative to that."""


def write_checksums(version_folder: Path) -> None:
    """Record every file that is in a version now; raises OSError."""
    path = version_folder / CHECKSUMS_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(f"{_sha256(version_folder / name)}  {name}\n" for name in _files(version_folder))
    )


def changed_files(version_folder: Path) -> list[str] | None:
    """Return the files that are missing, new or differ; None if nothing was recorded."""
    try:
        recorded = recorded_checksums(version_folder)
    except DamagedFile:
        return [CHECKSUMS_PATH.as_posix()]
    if recorded is None:
        return None
    present = set(_files(version_folder))
    return sorted(
        name
        for name in recorded.keys() | present
        if name not in present
        or name not in recorded
        or not _is_unchanged(version_folder / name, recorded[name])
    )


def damaged_files(version_folder: Path) -> list[str]:
    """Return the recorded files that are missing or differ; raises OSError."""
    try:
        recorded = recorded_checksums(version_folder) or {}
    except UnreadableFile:
        return []
    return sorted(
        name
        for name, digest in recorded.items()
        if not (version_folder / name).is_file() or not _is_unchanged(version_folder / name, digest)
    )


def record_checksum(version_folder: Path, name: str) -> None:
    """Record that one file of a version is as it is now, if checksums are recorded at all.

    Raises OSError, DamagedFile and UnreadableFile.
    """
    recorded = recorded_checksums(version_folder)
    if recorded is not None:
        recorded[name] = _sha256(version_folder / name)
        lines = (f"{digest}  {each}\n" for each, digest in sorted(recorded.items()))
        write_aside(version_folder / CHECKSUMS_PATH, "".join(lines))


def recorded_checksums(version_folder: Path) -> dict[str, str] | None:
    """Return the recorded checksums by the name of the file; None if nothing was recorded.

    Raises DamagedFile, and UnreadableFile.
    """
    path = version_folder / CHECKSUMS_PATH
    text = read_text(path, MAX_CHECKSUMS_BYTES)
    if text is None:
        return None
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    if not all(found):
        raise DamagedFile(path, "it is no list of checksums")
    return {match["name"]: match["digest"] for match in found if match}


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != CHECKSUMS_PATH.as_posix():
            yield name


def _is_unchanged(path: Path, digest: str) -> bool:
    try:
        return _sha256(path) == digest
    except UnreadableFile:
        return False


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
