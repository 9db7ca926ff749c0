"""What the process engine knows about its instances, kept on disk.

    <instances>/<id>.json     this record, written before the process starts
    <instances>/<id>.ports    its TCP ports, written by the model server once it listens

The record is written first, so that a later program finds the process even if
the one that started it was killed a moment after.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from serving.clock import Sightings
from serving.engines.log_files import keep_log, remove_log
from serving.engines.server_flags import GRPC_SOCKET_FLAG, REST_SOCKET_FLAG
from serving.files import write_aside
from serving.json_decode import decode
from serving.model_server.sleep import asleep_file
from serving.socket_address import remove_socket
from serving.state_files import DamagedFile, UnreadableFile, is_plain_name, read_object

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

    def asleep_path(self, folder: Path) -> Path:
        """Return the file that is there while it sleeps."""
        return asleep_file(self.ports_path(folder))

    def write(self, folder: Path) -> None:
        raw = asdict(self)
        # The key of the first release, so that its programs read what this one writes.
        raw["ended"] = raw.pop("exit_reason")
        write_aside(self.path(folder), json.dumps(raw, indent=2, default=str) + "\n")

    def listens(self, folder: Path) -> bool:
        """Whether the server has begun to listen."""
        return self.ports_path(folder).is_file()

    def socket(self, flag: str) -> Path | None:
        """Return the UNIX socket in a flag of its command; None for one of Servery 0.1."""
        for argument in self.command:
            if argument.startswith(f"{flag}="):
                return Path(argument.removeprefix(f"{flag}="))
        return None

    def ports(self, folder: Path) -> dict[str, int]:
        """Return the ports by `grpc` and `rest`; empty until the server wrote them."""
        try:
            return read_ports(self.ports_path(folder))
        except UnreadableFile:
            return {}

    def remove(self, folder: Path, failure: str = "") -> None:
        """Remove all that is kept of the instance; of one that failed, the log stays.

        `failure` says why, as a sentence.
        """
        for flag in (GRPC_SOCKET_FLAG, REST_SOCKET_FLAG):
            path = self.socket(flag)
            # Whatever a record says, only a socket of this name is removed.
            if path is not None and path.stem == self.id:
                remove_socket(path)
        self.asleep_path(folder).unlink(missing_ok=True)
        self.ports_path(folder).unlink(missing_ok=True)
        if failure:
            keep_log(Path(self.log), failure)
        else:
            remove_log(Path(self.log))
        self.path(folder).unlink(missing_ok=True)


def read_instance_record(folder: Path, instance_id: str) -> InstanceRecord | None:
    """Return the record of one instance; None if there is none, or it is damaged."""
    try:
        return checked_instance_record(folder, instance_id)
    except UnreadableFile:
        return None


def checked_instance_record(folder: Path, instance_id: str) -> InstanceRecord | None:
    """Return the record of one instance; None if there is none.

    Its log is always a file in the workspace's folder of logs, whatever the record says: the
    log is removed with the instance. Raises DamagedFile, and UnreadableFile.
    """
    if not is_plain_name(instance_id):
        return None
    path = folder / f"{instance_id}.json"
    raw = read_object(path)
    if raw is None:
        return None
    try:
        record = decode(InstanceRecord, {**raw, "exit_reason": raw.get("ended", "")})
    except ValueError as error:
        raise DamagedFile(path, f"it is no record of an instance: {error}"[:300]) from None
    if record.id != instance_id:
        raise DamagedFile(path, "it is the record of another instance")
    return replace(record, log=str(folder.parent.parent / "logs" / f"{instance_id}.log"))


def read_ports(path: Path) -> dict[str, int]:
    """Return the ports in a ports file by `grpc` and `rest`; empty if there is none yet.

    Raises DamagedFile, and UnreadableFile.
    """
    raw = read_object(path) or {}
    for port in raw.values():
        if type(port) is not int or not 0 < port < 2**16:
            raise DamagedFile(path, "it does not hold ports")
    return raw


def remove_abandoned(folder: Path, seen: Sightings, now: float) -> None:
    """Remove files that killed programs left half-written; `now` is monotonic.

    `seen` are those that were there before: when they were written says a clock that may have
    been set since, and a file that somebody is writing must stay.
    """
    paths = list(folder.glob(".*"))
    seen.keep_only(paths)
    for path in paths:
        if seen.seconds(path, now) > ABANDONED_SECONDS:
            with contextlib.suppress(OSError):
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
