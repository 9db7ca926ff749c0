"""The programs that keep a workspace running: `servery serve` and the window.

Each writes down that it runs, so that the others know whether they are the last one, and the next
one whether an earlier one was killed. What runs is what the system says; a file that names a
process which is gone was left by one that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from serving.files import write_aside
from serving.json_decode import decode
from serving.process_identity import is_running, process_identity
from serving.state_files import DamagedFile, UnreadableFile, read_object, set_aside
from serving.workspace import Workspace

WINDOW = "Servery's window"
"""The name of the window in its entry, which other programs read."""
_MAX_PID = 2**31


@dataclass(frozen=True)
class RunningProgram:
    """One such program."""

    name: str
    """For sentences: `servery serve`, `Servery's window`."""
    pid: int
    identity: str
    """Of the process: see `serving.process_identity`."""
    stops_fleet: bool = False
    """Whether it is to stop the instances when it ends."""

    @property
    def running(self) -> bool:
        return is_running(self.pid, self.identity)

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


class Registration:
    """This program's own entry."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._folder = _folder(workspace)
        self._program = RunningProgram(name, os.getpid(), process_identity(os.getpid()))
        self._path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self.others = running_programs(workspace)
        """Those that ran when this one started."""
        self.killed = forget_killed(workspace)
        """Those that were killed before that."""
        self._write()

    @property
    def stops_fleet(self) -> bool:
        return self._program.stops_fleet

    def set_stops_fleet(self, stops: bool) -> None:
        """Say whether this program is to stop the instances when it ends."""
        if stops != self._program.stops_fleet:
            self._program = replace(self._program, stops_fleet=stops)
            self._write()

    @property
    def inherits_fleet(self) -> bool:
        """Whether the instances are those of another program, which stops them at its end.

        If that was killed, or ends first, the one that runs longest stops them in its place.
        """
        return any(each.stops_fleet for each in (*self.others, *self.killed))

    def leave(self) -> bool:
        """End the entry; returns whether no other program is left.

        Of two that end at once, at least one is the last.
        """
        with contextlib.suppress(OSError):
            self._path.unlink()
        return not any(each is not None and each.running for _, each in _read(self._folder))

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk others do not know of it
            write_aside(self._path, json.dumps(asdict(self._program)) + "\n")


@contextmanager
def registered(workspace: Workspace, name: str) -> Iterator[Registration]:
    """Keep an entry for this program for the length of the block."""
    registration = Registration(workspace, name)
    try:
        yield registration
    finally:
        registration.leave()


def running_programs(workspace: Workspace) -> list[RunningProgram]:
    """Return those that run now, this one among them."""
    return [each for _, each in _read(_folder(workspace)) if each is not None and each.running]


def forget_killed(workspace: Workspace) -> list[RunningProgram]:
    """Remove the entries of those that were killed, and return these; damaged ones are kept."""
    killed = []
    for path, program in _read(_folder(workspace)):
        with contextlib.suppress(OSError):
            if program is None:
                set_aside(path, workspace.damaged)
            elif not program.running:
                killed.append(program)
                path.unlink()
    return killed


def read_entry(path: Path) -> RunningProgram | None:
    """Return the program that an entry is of; None if there is none. Raises UnreadableFile."""
    raw = read_object(path)
    if raw is None:
        return None
    try:
        program = decode(RunningProgram, raw)
    except ValueError:
        program = None
    if program is None or not 0 < program.pid < _MAX_PID:
        raise DamagedFile(path, "it does not say which program runs")
    return program


def _folder(workspace: Workspace) -> Path:
    return workspace.programs


def _read(folder: Path) -> list[tuple[Path, RunningProgram | None]]:
    """Return every entry, in the order of their names; None for one that is damaged."""
    return [(path, _entry(path)) for path in sorted(folder.glob("[!.]*.json"))]


def _entry(path: Path) -> RunningProgram | None:
    try:
        return read_entry(path)
    except UnreadableFile:
        return None
