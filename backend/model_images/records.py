"""What is kept of each image that was made: a record and a log, in the workspace's logs."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path

from backend.contract import ImageBuild
from serving.files import write_aside
from serving.json_decode import decode
from serving.private import make_private_folder
from serving.state_files import UnreadableFile, read_object

MAX_RECORDS = 100
MAX_LOG_BYTES = 2**20
"""Of a log that is sent on; its end is what counts."""

_log = logging.getLogger(__name__)


class BuildRecords:
    """The records in one folder, which may be missing. Blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> list[ImageBuild]:
        """Return what was recorded, the oldest first; damaged records are left out."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(decode(ImageBuild, read_object(path)))
            except (UnreadableFile, ValueError) as error:
                _log.warning("The record %s of an image cannot be read: %s", path, error)
        return sorted(found, key=lambda build: (build.created, build.id))

    def write(self, build: ImageBuild) -> None:
        """Record a build; raises OSError."""
        make_private_folder(self._folder)
        write_aside(self._folder / f"{build.id}.json", json.dumps(asdict(build), indent=2) + "\n")

    def remove(self, build: ImageBuild) -> None:
        """Remove the record of a build, and its log."""
        for path in (self._folder / f"{build.id}.json", self.log_path(build.id)):
            path.unlink(missing_ok=True)

    def log_path(self, build_id: str) -> Path:
        """Return where the log of a build is."""
        return self._folder / f"{build_id}.log"

    def log(self, build_id: str) -> str:
        """Return the end of a log; empty without one."""
        try:
            with self.log_path(build_id).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - MAX_LOG_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
