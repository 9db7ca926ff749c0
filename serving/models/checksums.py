"""SHA-256 of each file of a version, kept inside it in the form that `sha256sum -c` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

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
    recorded = _recorded(version_folder)
    if recorded is None:
        return None
    present = set(_files(version_folder))
    return sorted(
        name
        for name in recorded.keys() | present
        if name not in present
        or name not in recorded
        or _sha256(version_folder / name) != recorded[name]
    )


def damaged_files(version_folder: Path) -> list[str]:
    """Return the recorded files that are missing or differ; raises OSError."""
    recorded = _recorded(version_folder) or {}
    return sorted(
        name
        for name, digest in recorded.items()
        if not (version_folder / name).is_file() or _sha256(version_folder / name) != digest
    )


def _recorded(version_folder: Path) -> dict[str, str] | None:
    """Return the digests that were recorded, by file; None without any."""
    try:
        lines = (version_folder / CHECKSUMS_PATH).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != CHECKSUMS_PATH.as_posix():
            yield name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
