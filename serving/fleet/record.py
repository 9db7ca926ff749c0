"""What a fleet should be, on disk, so that every program goes by the same."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from serving.clock import epoch_seconds, recent
from serving.engines.protocol import DEFAULT_SLEEP_AFTER
from serving.errors import EngineError, storage_error
from serving.file_lock import file_lock
from serving.files import write_aside, write_in_place_of
from serving.fleet.plan import FAILURE_MEMORY_SECONDS
from serving.json_decode import decode
from serving.state_files import DamagedFile, UnreadableFile, read_object
from serving.tf.runtime_choice import RUNTIMES
from serving.workspace import DAMAGED_NAME

log = logging.getLogger(__name__)

MAX_MEMORY = 2**60
"""Bytes; like the next, the most that a record holds: engines allow less, and say so."""
MAX_PIDS = 2**22
MAX_CORES = 65536.0
MAX_SLEEP_AFTER = 2**31 - 1
"""Seconds."""
MAX_COUNT = 1024
"""Instances; no machine runs as many, and a damaged number must not start them."""


@dataclass(frozen=True)
class InstanceLimits:
    """What a person sets for every instance; 0 and the empty image leave it to the engine."""

    threads: int = 0
    memory_limit: int = 0
    """Bytes."""
    cpu_limit: float = 0.0
    """Processor cores."""
    image: str = ""
    pids_limit: int = 0
    """Processes and threads of one that runs in a container."""
    tcp: bool = False
    """Whether instances that run as processes can be reached over TCP too, by every user of this
    machine."""
    sleep_after: int = DEFAULT_SLEEP_AFTER
    """Seconds without a call after which a process gives its memory back; 0 never does."""
    runtime: str = ""
    """What computes every version, one of `runtime_choice.RUNTIMES`; empty: what its card says."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> InstanceLimits:
        """Read what was written; raises ValueError, TypeError or OverflowError.

        Values beyond every machine are cut to the most that an engine understands.
        """
        sleep_after = raw.get("sleep_after", DEFAULT_SLEEP_AFTER)
        return cls(
            threads=max(0, int(raw.get("threads", 0))),
            memory_limit=min(MAX_MEMORY, max(0, int(raw.get("memory_limit", 0)))),
            cpu_limit=min(MAX_CORES, max(0.0, float(raw.get("cpu_limit", 0)))),
            image=str(raw.get("image", "")),
            pids_limit=min(MAX_PIDS, max(0, int(raw.get("pids_limit", 0)))),
            tcp=raw.get("tcp") is True,
            sleep_after=min(MAX_SLEEP_AFTER, max(0, int(sleep_after))),
            runtime=str(runtime) if (runtime := raw.get("runtime")) in RUNTIMES else "",
        )


@dataclass(frozen=True)
class FleetRecord:
    """How many instances there should be, and what the next change has to remember."""

    desired_count: int = 0
    retiring: tuple[str, ...] = ()
    """Ids of instances to replace by new ones."""
    failures: tuple[float, ...] = ()
    """When failed instances were replaced, since a replacement lasted; seconds since the epoch."""
    limits: InstanceLimits = InstanceLimits()
    former_limits: InstanceLimits | None = None
    """Those before the last change, to which an engine that replaces instances by itself may go
    back; None if it has nothing to go back to."""
    applied: str = ""
    """The hash of the spec that such an engine was told last."""
    attached: tuple[str, ...] = ()
    """Addresses, `host:port`, of servers that somebody else runs and this fleet may use."""

    def after_failure(self, now: float) -> FleetRecord:
        counted = recent(self.failures, now, FAILURE_MEMORY_SECONDS)
        return replace(self, failures=(*counted, now))

    def without_retiring(self, *ids: str) -> FleetRecord:
        return replace(self, retiring=tuple(name for name in self.retiring if name not in ids))


class RecordFile:
    """Reads and changes the record; a change by one program never undoes another's.

    A record that is damaged while programs run counts as it was before; the next change moves
    the damaged one aside. The version before wrote a record for each model, `<model>.json` in
    the same folder: the newest of them counts until there is one for the fleet.
    """

    def __init__(self, path: Path, damaged: Path | None = None) -> None:
        """`damaged` is the folder to which damaged records are moved."""
        self.path = path
        self._damaged = damaged or path.parent.parent / DAMAGED_NAME
        self._last: FleetRecord | None = None
        """What was read or written last."""

    def exists(self) -> bool:
        """Whether anybody has ever said how many instances there should be."""
        return os.path.lexists(self._current())

    def read(self) -> FleetRecord:
        """Return the record; one that is damaged or gone as it was when it was last read here.

        One that was damaged from the beginning says that nothing is desired: see `damage`.
        """
        self.damage()
        return self._last or FleetRecord()

    def damage(self) -> UnreadableFile | None:
        """Return what is wrong with the record if nothing is known of what it said."""
        path = self._current()
        if os.path.lexists(path):
            try:
                self._last = read_record(path)
            except UnreadableFile as error:
                return error if self._last is None else None
        return None

    async def change(self, change: Callable[[FleetRecord], FleetRecord]) -> FleetRecord:
        """Write what `change` makes of the record; raises EngineError if it cannot."""
        async with file_lock(self.path.with_suffix(".lock")):
            try:
                before, damaged = read_record(self._current()), False
            except DamagedFile:
                before, damaged = self._last or FleetRecord(), True
            except UnreadableFile as error:
                raise EngineError(error.what, error.advice) from error
            after = change(before)
            if after != before or damaged or not self.path.is_file():
                try:
                    text = record_text(after)
                    if damaged:
                        kept = write_in_place_of(self._current(), self.path, text, self._damaged)
                        log.warning("The damaged record of the fleet is now %s", kept)
                    else:
                        write_aside(self.path, text)
                except OSError as error:
                    what = f"The file {self.path} cannot be written"
                    raise storage_error(error, self.path, what, EngineError) from error
            self._last = after
            return after

    def _current(self) -> Path:
        """The file that counts."""
        if os.path.lexists(self.path):
            return self.path
        former = []
        for path in self.path.parent.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                former.append((path.stat().st_mtime_ns, path))
        return max(former)[1] if former else self.path


def read_record(path: Path) -> FleetRecord:
    """Return the record in a file; that of a fleet that was never set up if there is none.

    Raises DamagedFile, and UnreadableFile.
    """
    raw = read_object(path)
    if raw is None:
        return FleetRecord()
    try:
        if type(raw["wanted"]) is not int:
            raise ValueError("not a number")
        return FleetRecord(
            desired_count=min(MAX_COUNT, max(0, raw["wanted"])),
            retiring=decode(tuple[str, ...], raw.get("retiring", [])),
            failures=_moments(raw.get("failures", [])),
            limits=InstanceLimits.of(raw.get("limits", {})),
            former_limits=InstanceLimits.of(former) if (former := raw.get("former")) else None,
            applied=str(raw.get("applied", "")),
            attached=decode(tuple[str, ...], raw.get("attached", [])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise DamagedFile(path, "it does not say what the fleet should be") from None


def _moments(raw: Any) -> tuple[float, ...]:
    """Return what can be moments; a wrong one would only make the fleet wait."""
    if not isinstance(raw, list):
        raise ValueError("not a list")
    return tuple(when for each in raw if (when := epoch_seconds(each)))


def record_text(record: FleetRecord) -> str:
    """Return the content of the file of a record."""
    # The file says "wanted", as the first release wrote it: programs of both may be running.
    fields = asdict(record)
    for name in ("pids_limit", "tcp", "runtime"):
        if not fields["limits"][name]:  # the first release does not know of it
            del fields["limits"][name]
    if fields["limits"]["sleep_after"] == DEFAULT_SLEEP_AFTER:
        del fields["limits"]["sleep_after"]
    former = fields.pop("former_limits")
    if former is not None:
        fields["former"] = former
    if not fields["applied"]:
        del fields["applied"]
    if not fields["attached"]:
        del fields["attached"]
    raw: dict[str, Any] = {"wanted": fields.pop("desired_count"), **fields}
    return json.dumps(raw, indent=2) + "\n"
