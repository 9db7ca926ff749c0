"""Photos as they arrive in a folder and the folders in it: for the window and the command line."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

from desktop.translation import tr
from serving.errors import ImageError
from serving.image_file import IMAGE_SUFFIXES, is_image_file
from serving.tf.file_watch import ChangeWatch

SETTLED_SECONDS = 0.3
"""A file that has the end of its format is whole if it has not changed for so long."""
UNSURE_SECONDS = 2.0
"""The same for a file of a format whose end cannot be recognised."""
CUT_OFF_SECONDS = 20.0
"""The same for a file that lacks its end, which may still be being written. After that it is passed
on, so that a person learns that it is damaged."""
POLL_SECONDS = 5.0
"""Between two looks at the folders if the system notifies of changes: it does not notify of those
that another machine makes."""
_UNNOTIFIED_POLL_SECONDS = 2.0
"""The same if it does not notify."""
_PAUSE_SECONDS = 0.2
"""Shortest pause between two looks while files arrive; a pause is four times as long as a look
takes."""
_ALL_FILES_SECONDS = 30.0
"""Between two looks at files that were passed on already: another file may be in their place."""
_UNFINISHED = frozenset(
    (".part", ".partial", ".crdownload", ".download", ".filepart", ".opdownload", ".tmp")
)
"""Ends of names under which programs write a file that they rename once it is whole."""
_ENDS = {
    b"\xff\xd8\xff": (b"\xff\xd9",),
    b"\x89PNG": (b"IEND\xaeB`\x82",),
    b"GIF8": (b"\x3b", b"\x3b\0"),
}
"""How files end, by how they begin: JPEG, PNG and GIF."""

_State = tuple[int, int, int, int]
"""Device, inode, size and time of change of the content."""


@dataclass(frozen=True)
class SeenSoFar:
    """How far a folder was seen: the next watch passes over what this one passed on."""

    newest: int = 0
    """When the newest file changed, in ns since 1970, by the clock of its disk."""
    folders: frozenset[str] = frozenset()
    """The folder and those in it."""


@dataclass(frozen=True)
class Arrival:
    """Photos that are whole, in the order of their names, and how far the folder was seen then."""

    photos: tuple[Path, ...]
    seen: SeenSoFar


@dataclass
class _Unsettled:
    state: _State
    since: float
    """When it was in this state for the first time, in seconds since the epoch."""


class PhotoArrivals:
    """What arrives in one folder, however deep; hidden files and folders are passed over.

    A photo is passed on once it is whole, and again when another one is in its place. Links to
    folders are not followed. Nothing of a photo is read but its first and last bytes.
    """

    def __init__(
        self,
        folder: Path,
        seen: SeenSoFar | None = None,
        is_known: Callable[[Path], bool] = lambda path: False,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """What is there already is passed on, too. With what an earlier watch has `seen`, only
        that is which came since, unless it `is_known`, which is asked on a thread. `clock` is in
        seconds since the epoch."""
        self.folder = folder
        self._before = seen
        self._is_known = is_known
        self._clock = clock
        self._passed: dict[str, _State] = {}
        """Files that were passed on or passed over, in the state that they had."""
        self._unsettled: dict[str, _Unsettled] = {}
        self._folders: dict[str, int] = {}
        """Each folder, with its time of change when it was read last."""
        self._newest = seen.newest if seen is not None else 0
        self._all_files_at = float("-inf")
        self._look_seconds = 0.0

    async def follow(self) -> AsyncGenerator[Arrival, None]:
        """Yield what arrives, first of all what is there, until the caller ends it.

        The first arrival may have no photos. Raises ImageError if the folder cannot be read.
        """
        yielded: Arrival | None = None
        while True:
            watched = {str(self.folder), *self._folders}
            with ChangeWatch(map(Path, watched), _UNNOTIFIED_POLL_SECONDS) as watch:
                changed = True
                while set(self._folders) <= watched:
                    if changed or self._unsettled or await asyncio.to_thread(self._has_changed):
                        arrival = await asyncio.to_thread(self._look)
                        if yielded is None or arrival.photos or arrival.seen != yielded.seen:
                            yielded = arrival
                            yield arrival
                    if not set(self._folders) <= watched:
                        break  # look again once the new folders are watched, too
                    if not self._unsettled:
                        changed = await watch.wait(POLL_SECONDS)
                    await asyncio.sleep(max(_PAUSE_SECONDS, 4 * self._look_seconds))

    def _has_changed(self) -> bool:
        """Whether anything was put into a folder or taken out of one."""
        return any(_changed_at(folder) != before for folder, before in self._folders.items())

    def _look(self) -> Arrival:
        """Read the folders, and return the photos that are whole and new."""
        began = time.monotonic()
        now = self._clock()
        all_files = now - self._all_files_at >= _ALL_FILES_SECONDS
        present: set[str] = set()
        files: dict[str, os.stat_result] = {}
        folders: dict[str, int] = {}
        unread = [str(self.folder)]
        while unread:
            folder = unread.pop()
            changed_at = _changed_at(folder)  # before it is read: a later change is seen later
            try:
                unread += self._read(folder, present, files, all_files)
            except OSError as error:
                if folder == str(self.folder):
                    raise _unreadable(error, self.folder) from error
                continue
            folders[folder] = changed_at
        is_first, self._folders = not self._folders, folders
        if all_files:
            self._all_files_at = now
        for gone in self._passed.keys() - present:
            del self._passed[gone]
        for gone in self._unsettled.keys() - present:
            del self._unsettled[gone]
        if is_first:
            self._pass_over(files)
        whole = [path for path, status in files.items() if self._pass_if_whole(path, status, now)]
        photos = [path for path in map(Path, sorted(whole)) if _is_photo(path)]
        self._newest = max((self._newest, *(each.st_ctime_ns for each in files.values())))
        self._look_seconds = time.monotonic() - began
        seen = SeenSoFar(self._newest, frozenset(folders))
        if self._unsettled:
            # What is on its way must not be passed over by the next watch.
            seen = self._before or SeenSoFar()
        self._before = seen
        return Arrival(tuple(photos), seen)

    def _read(
        self, folder: str, present: set[str], files: dict[str, os.stat_result], all_files: bool
    ) -> list[str]:
        """Add what is in a folder to `present`, and to `files` what is to be looked at; returns
        the folders in it."""
        folders = []
        # Paths are text here: a Path for each of 100,000 files takes longer than all else.
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif os.path.splitext(name)[1].lower() not in _UNFINISHED:  # noqa: PTH122 - see above
                    present.add(entry.path)
                    if all_files or entry.path not in self._passed:
                        try:
                            status = entry.stat()
                        except OSError:
                            continue  # gone meanwhile, or a link to nothing
                        if stat.S_ISREG(status.st_mode):
                            files[entry.path] = status
        return folders

    def _pass_over(self, files: dict[str, os.stat_result]) -> None:
        """Count as taken what an earlier watch has seen."""
        if self._before is None:
            return
        for path, status in files.items():
            folder = os.path.dirname(path)  # noqa: PTH120 - see _read
            old = folder in self._before.folders and status.st_ctime_ns < self._before.newest
            if old or self._is_known(Path(path)):
                self._passed[path] = _state(status)

    def _pass_if_whole(self, path: str, status: os.stat_result, now: float) -> bool:
        """Whether a file is whole and not taken yet; then it is."""
        state = _state(status)
        if self._passed.get(path) == state:
            return False
        unsettled = self._unsettled.get(path)
        if unsettled is None or unsettled.state != state:
            unsettled = self._unsettled[path] = _Unsettled(state, min(now, status.st_ctime))
        if now - unsettled.since < _settling_seconds(Path(path), status.st_size):
            return False
        del self._unsettled[path]
        self._passed[path] = state
        return True


def _state(status: os.stat_result) -> _State:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _changed_at(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - see _read
    except OSError:
        return -1


def _unreadable(error: OSError, folder: Path) -> ImageError:
    return ImageError(
        tr(
            "The folder {folder} cannot be read: {reason}.",
            folder=folder,
            reason=error.strerror or error,
        ),
        tr("Bring it back, or stop watching it."),
    )


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES or is_image_file(path)


def _settling_seconds(path: Path, size: int) -> float:
    """Return how long a file must not change before it counts as whole."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            file.seek(max(0, size - 16))
            tail = file.read(16)
    except OSError:
        return UNSURE_SECONDS
    if not head:
        return CUT_OFF_SECONDS
    for begin, ends in _ENDS.items():
        if head.startswith(begin):
            return SETTLED_SECONDS if tail.endswith(ends) else CUT_OFF_SECONDS
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        is_whole = int.from_bytes(head[4:8], "little") + 8 <= size
        return SETTLED_SECONDS if is_whole else CUT_OFF_SECONDS
    return UNSURE_SECONDS
