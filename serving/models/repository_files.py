"""How the files of a model repository are looked at and changed, by several programs at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from serving.errors import ModelError, storage_error
from serving.files import write_aside, write_in_place_of
from serving.state_files import DamagedFile, read_text
from serving.workspace import DAMAGED_NAME

_LOCK_NAME = ".lock"


class RepositoryFiles:
    """The files and folders below the root of a model repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.damaged = root.parent / DAMAGED_NAME
        """Where damaged files are moved."""

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep every other program, and every other thread, from changing anything meanwhile.

        Raises ModelError in place of an OSError.
        """
        with self.disk_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / _LOCK_NAME):
                yield

    @contextmanager
    def disk_errors(self) -> Iterator[None]:
        """Raise ModelError in place of an OSError."""
        try:
            yield
        except OSError as error:
            what = f"The models in {self.root} cannot be changed"
            raise storage_error(error, self.root, what, ModelError) from error

    def write(self, path: Path, content: str, read: Callable[[Path], object] = read_text) -> None:
        """Write a file; one that `read` finds damaged is moved aside. Raises OSError."""
        try:
            read(path)
        except DamagedFile:
            write_in_place_of(path, path, content, self.damaged)
        else:
            write_aside(path, content)


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; what cannot be looked at is left out."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if _is_folder(entry))
    except OSError:
        return []


def is_file(path: Path) -> bool:
    """Whether there is a file; False if that cannot be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def file_state(path: str | Path) -> tuple[int, int, int] | None:
    """Return what changes whenever the file is written aside; None without one."""
    try:
        state = os.stat(path)  # noqa: PTH116 - asked for every request, mostly by a `str`
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
