"""Which photos were moved into folders, on disk, so that they can be moved back whenever that is
asked for, after the window was ended or killed as well."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import NamedTuple

from serving.private import make_private_folder

MAX_RECORDS = 10
"""Of the newest moves; older ones can no longer be undone."""


class Move(NamedTuple):
    """A photo, and the file that it was to become."""

    photo: Path
    file: Path
    size: int
    """Of the photo, in bytes."""
    modified: int
    """When the photo was modified, in nanoseconds since the epoch."""

    @property
    def was_made(self) -> bool:
        """Whether the photo has left its folder; False if the program ended before that."""
        if not os.path.lexists(self.file):
            return False
        try:
            status = self.photo.stat()
        except OSError:
            return True
        unchanged = (status.st_size, status.st_mtime_ns) == (self.size, self.modified)
        return not unchanged or self.has_two_names

    @property
    def has_two_names(self) -> bool:
        """Whether the program ended between giving the photo its new name and taking the old."""
        with contextlib.suppress(OSError):
            return self.photo.samefile(self.file)
        return False


class MoveRecord:
    """One file with the moves of one time that photos were sorted, a line each."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, photo: Path, file: Path) -> None:
        """Write down a move that is about to be made; it survives the end of this program, though
        perhaps not of the system. Raises OSError."""
        status = photo.stat()
        # Names that are not UTF-8 are written as `\udce9`.
        line = json.dumps([str(photo), str(file), status.st_size, status.st_mtime_ns])
        try:
            make_private_folder(self._path.parent)
        except FileExistsError as error:  # which would mean `file` to the caller
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
        record = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(record, "ab") as target:
            target.write(f"{line}\n".encode())

    def moves(self) -> list[Move]:
        """Return the moves that were made and are not undone, in their order."""
        try:
            lines = self._path.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return []
        found: dict[str, Move] = {}
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):  # the last one may be cut off
                photo, file, size, modified = json.loads(line)
                found[photo] = Move(Path(photo), Path(file), int(size), int(modified))
        return [move for move in found.values() if move.was_made]

    def forget(self) -> None:
        """Remove the record; if that is not possible, what is undone does not count anyway."""
        with contextlib.suppress(OSError):
            self._path.unlink()


class MoveRecords:
    """The records in a folder, of which the newest moves can be undone first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> MoveRecord:
        """Return the record for the moves that come now; the oldest one beyond MAX_RECORDS goes."""
        paths = self._paths()
        for path in paths[: max(0, len(paths) - MAX_RECORDS + 1)]:
            with contextlib.suppress(OSError):
                path.unlink()
        number = int(paths[-1].stem) + 1 if paths else 1
        return MoveRecord(self._folder / f"{number:06}.jsonl")

    def last(self) -> tuple[MoveRecord, list[Move]] | None:
        """Return the newest record with moves that can be undone, and these; None without any."""
        for path in reversed(self._paths()):
            record = MoveRecord(path)
            if moves := record.moves():
                return record, moves
        return None

    def _paths(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.jsonl") if path.stem.isdecimal())
