"""Reads which photos lie in a folder and its folders, without opening what is named like one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from serving.image_file import IMAGE_SUFFIXES, is_image_file
from serving.progress import Report, no_report

_SYSTEM_NAMES = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir"),
        *("$recycle.bin", "system volume information", "lost+found"),
    )
)
"""What file managers, archives and network drives leave behind, in lower case."""
_REPORT_EVERY = 500


class SkipReason(StrEnum):
    """Why a file or folder is not learned from, in words for a report."""

    HIDDEN = "hidden"
    NOT_AN_IMAGE = "not an image"
    NO_CLASS = "not in the folder of a class"
    NO_CLASS_NAME = "the folder's name cannot be a class"
    NOT_TAUGHT = "its class has photos only in the test part"
    CANNOT_BE_READ = "cannot be read"
    READ_ELSEWHERE = "a link to a folder that is read already"
    EMPTY = "empty"
    DAMAGED = "damaged"
    TOO_LARGE = "too large"
    SAME_PHOTO = "the same photo again"
    TWO_CLASSES = "the same photo in two classes"
    IN_TEST = "the same photo is in the test part"


@dataclass(frozen=True)
class SkippedPath:
    """A file, or a folder with all that is in it, that is not learned from."""

    path: Path
    reason: SkipReason
    detail: str = ""


@dataclass(eq=False)
class PhotoTree:
    """A folder: the photos in it, and its folders."""

    path: Path
    photos: list[Path] = field(default_factory=list)
    folders: list[PhotoTree] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.name

    def all_photos(self) -> Iterator[Path]:
        """Yield the photos in this folder and, however deep, in its folders."""
        waiting = [self]  # not by recursion: folders may be nested deeper than Python calls
        while waiting:
            tree = waiting.pop()
            yield from tree.photos
            waiting += reversed(tree.folders)

    def has_photos(self) -> bool:
        return next(self.all_photos(), None) is not None


def read_tree(root: Path, report: Report = no_report) -> tuple[PhotoTree, list[SkippedPath]]:
    """Return the photos below `root`, and what else is there, with the reason.

    What is named like an image counts as one without being opened; of other files the
    first bytes decide. Links to folders are followed, but none is read twice. Raises
    OSError if `root` itself cannot be read.
    """
    reader = _Reader(root, report)
    reader.read()
    return reader.tree, reader.skipped


class _Reader:
    def __init__(self, root: Path, report: Report) -> None:
        self.tree = PhotoTree(root)
        self.skipped: list[SkippedPath] = []
        self._report = report
        self._photos = 0
        self._read = {_identity(root)}
        # Not followed: a link to one of these would read what lies beside the folder.
        self._around = {_identity(folder) for folder in root.resolve().parents}
        self._folders = deque([self.tree])
        self._links: deque[tuple[PhotoTree, Path]] = deque()

    def read(self) -> None:
        # Links come last, so that photos count where they lie and not where a link is.
        while self._folders or self._links:
            if self._folders:
                self._read_folder(self._folders.popleft())
                continue
            parent, link = self._links.popleft()
            if self._is_new(link):
                self._add_folder(parent, link)
            else:
                self._leave_out(link, SkipReason.READ_ELSEWHERE)

    def _add_folder(self, parent: PhotoTree, path: Path) -> None:
        child = PhotoTree(path)
        parent.folders.append(child)
        self._folders.append(child)

    def _read_folder(self, tree: PhotoTree) -> None:
        try:
            with os.scandir(tree.path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            if tree is self.tree:
                raise
            self._leave_out(tree.path, SkipReason.CANNOT_BE_READ)
            return
        for entry in entries:
            try:
                self._take(tree, entry)
            except OSError:  # such as a link to itself
                self._leave_out(tree.path / entry.name, SkipReason.CANNOT_BE_READ)

    def _take(self, tree: PhotoTree, entry: os.DirEntry[str]) -> None:
        path = tree.path / entry.name
        if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_NAMES:
            self._leave_out(path, SkipReason.HIDDEN)
        elif entry.is_dir():
            if entry.is_symlink():
                self._links.append((tree, path))
            else:
                self._read.add(_identity(path))
                self._add_folder(tree, path)
        elif not entry.is_file():
            broken = entry.is_symlink()
            reason = SkipReason.CANNOT_BE_READ if broken else SkipReason.NOT_AN_IMAGE
            self._leave_out(path, reason)
        elif path.suffix.lower() in IMAGE_SUFFIXES or is_image_file(path):
            tree.photos.append(path)
            self._photos += 1
            if self._photos % _REPORT_EVERY == 0:
                self._report(self._photos, 0, f"Looking for photos, {self._photos:,} found")
        else:
            self._leave_out(path, SkipReason.NOT_AN_IMAGE)

    def _is_new(self, folder: Path) -> bool:
        identity = _identity(folder)
        if identity in self._read or identity in self._around:
            return False
        self._read.add(identity)
        return True

    def _leave_out(self, path: Path, reason: SkipReason) -> None:
        self.skipped.append(SkippedPath(path, reason))


def _identity(folder: Path) -> tuple[int, int]:
    """Return what is the same for all paths to one folder."""
    status = folder.stat()
    return status.st_dev, status.st_ino
