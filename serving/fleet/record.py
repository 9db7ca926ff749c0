"""What a fleet should be, on disk, so that every program goes by the same."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from serving.errors import EngineError
from serving.file_lock import file_lock
from serving.files import write_aside
from serving.fleet.plan import FAILURE_MEMORY_SECONDS

MAX_MEMORY = 2**60
"""Bytes; like the next, the most that a record holds: engines allow less, and say so."""
MAX_CORES = 65536.0


@dataclass(frozen=True)
class InstanceLimits:
    """What a person sets for every instance; 0 and the empty image leave it to the engine."""

    threads: int = 0
    memory_limit: int = 0
    """Bytes."""
    cpu_limit: float = 0.0
    """Processor cores."""
    image: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> InstanceLimits:
        """Read what was written; raises ValueError, TypeError or OverflowError.

        Values beyond every machine are cut to the most that an engine understands.
        """
        return cls(
            threads=max(0, int(raw.get("threads", 0))),
            memory_limit=min(MAX_MEMORY, max(0, int(raw.get("memory_limit", 0)))),
            cpu_limit=min(MAX_CORES, max(0.0, float(raw.get("cpu_limit", 0)))),
            image=str(raw.get("image", "")),
        )


@dataclass(frozen=True)
class FleetRecord:
    """How many instances there should be, and what the next change has to remember."""

    desired_count: int = 0
    retiring: tuple[str, ...] = ()
    """Ids of instances to replace by new ones."""
    failures: tuple[float, ...] = ()
    """When failed instances were replaced recently, in seconds since the epoch."""
    limits: InstanceLimits = InstanceLimits()

    def after_failure(self, now: float) -> FleetRecord:
        recent = [when for when in self.failures if now - when < FAILURE_MEMORY_SECONDS]
        return replace(self, failures=(*recent, now))

    def without_retiring(self, *ids: str) -> FleetRecord:
        return replace(self, retiring=tuple(name for name in self.retiring if name not in ids))


class RecordFile:
    """Reads and changes the record; a change by one program never undoes another's.

    The version before wrote a record for each model, `<model>.json` in the same folder: the
    newest of them counts until there is one for the fleet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether anybody has ever said how many instances there should be."""
        return self._current().is_file()

    def read(self) -> FleetRecord:
        """Return the record; one that cannot be read counts as one never written."""
        try:
            raw = json.loads(self._current().read_text())
            return FleetRecord(
                desired_count=max(0, int(raw["wanted"])),
                retiring=tuple(str(name) for name in raw.get("retiring", ())),
                failures=tuple(float(when) for when in raw.get("failures", ())),
                limits=InstanceLimits.of(raw.get("limits", {})),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return FleetRecord()

    async def change(self, change: Callable[[FleetRecord], FleetRecord]) -> FleetRecord:
        """Write what `change` makes of the record; raises EngineError if it cannot."""
        async with file_lock(self.path.with_suffix(".lock")):
            before = self.read()
            after = change(before)
            if after != before or not self.path.is_file():
                try:
                    write_aside(self.path, json.dumps(_to_json(after), indent=2) + "\n")
                except OSError as error:
                    raise EngineError(
                        f"The file {self.path} cannot be written: {error.strerror}.",
                        "Make room on the disk, or give yourself the right to write there.",
                    ) from error
            return after

    def _current(self) -> Path:
        """The file that counts."""
        if self.path.is_file():
            return self.path
        former = []
        for path in self.path.parent.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                former.append((path.stat().st_mtime_ns, path))
        return max(former)[1] if former else self.path


def _to_json(record: FleetRecord) -> dict[str, Any]:
    # The file says "wanted", as the first release wrote it: programs of both may be running.
    fields = asdict(record)
    return {"wanted": fields.pop("desired_count"), **fields}
