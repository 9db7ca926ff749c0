"""Which versions of a model cannot be served and why, kept in a file of the model's folder.

    <root>/<model>/faults.config

A fault holds for as long as the files of its version stay as they were when it was found, so
that a version whose files are mended is tried again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from serving.state_files import DamagedFile, UnreadableFile, read_object

FAULTS_NAME = "faults.config"
MAX_FORMER = 20
"""Versions that were live before and are remembered."""


@dataclass(frozen=True)
class VersionFault:
    """Why a version cannot be served, as two sentences."""

    what: str
    advice: str
    files: str = ""
    """Identifies the state of its files when that was found."""


@dataclass(frozen=True)
class ModelFaults:
    """What is known of the versions of one model."""

    versions: Mapping[int, VersionFault] = field(default_factory=dict)
    fallback: int | None = None
    """The version that instances load while the live one has a fault."""
    former: tuple[int, ...] = ()
    """Versions that were live before, the last one first."""

    def with_fault(self, number: int, fault: VersionFault, fallback: int | None) -> ModelFaults:
        versions = {**self.versions, number: fault}
        return replace(self, versions=versions, fallback=fallback)

    def without_fault(self, number: int) -> ModelFaults:
        others = {each: fault for each, fault in self.versions.items() if each != number}
        return replace(self, versions=others, fallback=None)

    def after(self, live: int | None) -> ModelFaults:
        """The same after another version than `live` became the live one."""
        if live is None:
            return self
        former = (live, *(each for each in self.former if each != live))
        return replace(self, former=former[:MAX_FORMER])

    def to_json(self) -> str:
        raw = {
            "schema": 1,
            "versions": {str(number): asdict(fault) for number, fault in self.versions.items()},
            "fallback": self.fallback,
            "former": list(self.former),
        }
        return json.dumps(raw, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, model_folder: Path) -> ModelFaults:
        """Read the file of a model; one that is missing or damaged says nothing."""
        try:
            return cls.checked(model_folder / FAULTS_NAME)
        except UnreadableFile:
            return cls()

    @classmethod
    def checked(cls, path: Path) -> ModelFaults:
        """Read such a file; raises DamagedFile, and UnreadableFile."""
        raw: Any = read_object(path)
        if raw is None:
            return cls()
        try:
            fallback = raw.get("fallback")
            return cls(
                {
                    int(number): VersionFault(
                        str(fault["what"]), str(fault["advice"]), str(fault["files"])
                    )
                    for number, fault in raw["versions"].items()
                },
                None if fallback is None else int(fallback),
                tuple(int(number) for number in raw.get("former", ())),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            raise DamagedFile(path, "it does not say which versions have a fault") from None


def files_state(version_folder: Path) -> str:
    """Return what changes when a file of a version is written, added or removed."""
    state = hashlib.sha256()
    try:
        for path in sorted(version_folder.rglob("*")):
            found = path.lstat()
            state.update(
                f"{path.relative_to(version_folder)} {found.st_mode} {found.st_size} "
                f"{found.st_mtime_ns} {found.st_ino}\n".encode()
            )
    except OSError as error:  # it changes while it is looked at, or cannot be read
        state.update(str(error.strerror).encode())
    return state.hexdigest()[:16]
