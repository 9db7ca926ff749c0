"""What the process engine knows about its instances, kept on disk.

    <instances>/<id>.json     this record, written before the process starts
    <instances>/<id>.ports    the ports, written by the model server once it listens

The record is written first, so that a later program finds the process even if
the one that started it was killed a moment after.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serving.files import write_aside

ABANDONED_SECONDS = 60.0
"""A file that takes longer to write is one whose writer was killed."""


@dataclass(frozen=True)
class InstanceRecord:
    """One instance that was started and has not been removed."""

    id: str
    spec: dict[str, Any]
    spec_hash: str
    started: float
    """Seconds since the epoch."""
    log: str
    """Path of its log file."""
    command: tuple[str, ...] = ()
    """Its command line, word by word."""
    process: int = 0
    """Process id; 0 until it is known."""
    stopping: bool = False
    """Whether someone asked it to stop."""
    exit_reason: str = ""
    """Why it ended, as a sentence, if its parent saw it."""

    def path(self, folder: Path) -> Path:
        return folder / f"{self.id}.json"

    def ports_path(self, folder: Path) -> Path:
        return folder / f"{self.id}.ports"

    def write(self, folder: Path) -> None:
        raw = asdict(self)
        # The key of the first release, so that its programs read what this one writes.
        raw["ended"] = raw.pop("exit_reason")
        write_aside(self.path(folder), json.dumps(raw, indent=2, default=str) + "\n")

    def ports(self, folder: Path) -> dict[str, int]:
        """Return the ports by `grpc` and `rest`; empty until the server wrote them."""
        try:
            raw = json.loads(self.ports_path(folder).read_text())
            return {str(name): int(port) for name, port in raw.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def remove(self, folder: Path) -> None:
        """Remove all that is kept of the instance, its log included."""
        self.ports_path(folder).unlink(missing_ok=True)
        Path(self.log).unlink(missing_ok=True)
        self.path(folder).unlink(missing_ok=True)


def read_instance_record(folder: Path, instance_id: str) -> InstanceRecord | None:
    """Return the record of one instance; None if there is none, or it is damaged."""
    try:
        raw = json.loads((folder / f"{instance_id}.json").read_text())
        raw["exit_reason"] = raw.pop("ended", "")
        known = {key: raw[key] for key in InstanceRecord.__dataclass_fields__ if key in raw}
        return InstanceRecord(**known | {"command": tuple(raw.get("command", ()))})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def remove_abandoned(folder: Path, now: float) -> None:
    """Remove files that killed programs left half-written; `now` is in seconds since the epoch."""
    for path in folder.glob(".*"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()


def read_instance_records(folder: Path) -> list[InstanceRecord]:
    """Return every record in `folder`, oldest first."""
    if not folder.is_dir():
        return []
    names = [path.stem for path in folder.glob("*.json") if not path.name.startswith(".")]
    records = (read_instance_record(folder, name) for name in names)
    return sorted(
        (record for record in records if record is not None),
        key=lambda record: (record.started, record.id),
    )
