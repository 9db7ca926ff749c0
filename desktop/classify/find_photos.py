"""Finds the image files in what a person drops."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ImageError, reading_error
from serving.image_file import IMAGE_SUFFIXES, is_image_file
from serving.progress import Report, no_report


@dataclass(frozen=True)
class FoundPhotos:
    """The photos in what was dropped, in the order of their names."""

    photos: tuple[Path, ...]
    skipped: int
    """Files in folders that are not images, neither by content nor by name."""
    unreadable: tuple[ImageError, ...] = ()
    """Why nothing is known about some of the folders."""


async def find_photos(dropped: Iterable[Path], report: Report = no_report) -> FoundPhotos:
    """Return the image files among `dropped` and, however deep, in its folders.

    In folders the content decides, not the name; but a file that is named like an
    image and is not one is returned too, so that a person learns what is wrong
    with it. Files that were dropped themselves are always returned, also those that
    cannot be looked at. Hidden files and folders are skipped; links to folders are not
    followed. A folder that cannot be read is named, and costs no other.
    """
    stop = threading.Event()  # cancelling this coroutine does not stop the thread
    try:
        return await asyncio.to_thread(_find, tuple(dropped), report, stop)
    finally:
        stop.set()


def _find(dropped: tuple[Path, ...], report: Report, stop: threading.Event) -> FoundPhotos:
    photos: dict[Path, None] = {}
    skipped = 0
    unreadable: list[ImageError] = []

    def leave_out(error: OSError) -> None:
        folder = Path(os.fsdecode(error.filename or ""))
        unreadable.append(
            reading_error(
                error,
                f"The folder {folder.name or folder}",
                f"Give yourself permission to open {folder}, or drop the photos in it.",
                ImageError,
            )
        )

    for path in dropped:
        if not _is_folder(path):
            photos[path.absolute()] = None
            continue
        for file in _walk(path.absolute(), leave_out):
            if stop.is_set():
                break
            if file.suffix.lower() in IMAGE_SUFFIXES or is_image_file(file):
                photos[file] = None
                report(len(photos), 0, f"Looking for photos, {len(photos):,} found")
            else:
                skipped += 1
    return FoundPhotos(tuple(photos), skipped, tuple(unreadable))


def _is_folder(path: Path) -> bool:
    """Say whether it is a folder; what cannot be looked at counts as a file, and fails as one."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _walk(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    for where, folders, files in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(where) / name
