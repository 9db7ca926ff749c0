"""The output of failed instances, kept after their containers are removed."""

from __future__ import annotations

import contextlib
from pathlib import Path

from serving.files import changed_at, mark_newest, write_aside

MAX_LOGS = 20
"""The oldest ones beyond these are removed."""


class FailedLogs:
    """A folder with one file for each instance."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, instance_id: str, why: str, text: str) -> None:
        """Write its output and why it exited as the last line; nothing on a full disk."""
        with contextlib.suppress(OSError):
            path = self._path(instance_id)
            write_aside(path, f"{text.rstrip()}\n{why}\n".lstrip("\n"))
            mark_newest(path, (each for each in self._folder.glob("*.log") if each != path))
            for old in sorted(self._folder.glob("*.log"), key=changed_at)[:-MAX_LOGS]:
                old.unlink(missing_ok=True)

    def read(self, instance_id: str, lines: int) -> str | None:
        """Return the last lines of its output; None if nothing was kept."""
        if Path(instance_id).name != instance_id:  # typed by a person: no path to another file
            return None
        try:
            text = self._path(instance_id).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""

    def _path(self, instance_id: str) -> Path:
        return self._folder / f"{instance_id}.log"
