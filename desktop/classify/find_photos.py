"""Finds the image files in what a person drops."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serving.image_file import IMAGE_SUFFIXES, is_image_file
from serving.progress import Report, no_report


@dataclass(frozen=True)
class FoundPhotos:
    """The photos in what was dropped, in the order of their names."""

    photos: tuple[Path, ...]
    skipped: int
    """Files in folders that are not images, neither by content nor by name."""


async def find_photos(dropped: Iterable[Path], report: Report = no_report) -> FoundPhotos:
    """Return the image files among `dropped` and, however deep, in its folders.

    In folders the content decides, not the name; but a file that is named like an
    image and is not one is returned too, so that a person learns what is wrong
    with it. Files that were dropped themselves are always returned. Hidden files
    and folders are skipped; links to folders are not followed.
    """
    stop = threading.Event()  # cancelling this coroutine does not stop the thread
    try:
        return await asyncio.to_thread(_find, tuple(dropped), report, stop)
    finally:
        stop.set()


def _find(dropped: tuple[Path, ...], report: Report, stop: threading.Event) -> FoundPhotos:
    photos: dict[Path, None] = {}
    skipped = 0
    for path in dropped:
        if not path.is_dir():
            photos[path.absolute()] = None
            continue
        for file in _walk(path.absolute()):
            if stop.is_set():
                break
            if file.suffix.lower() in IMAGE_SUFFIXES or is_image_file(file):
                photos[file] = None
                report(len(photos), 0, f"Looking for photos, {len(photos):,} found")
            else:
                skipped += 1
    return FoundPhotos(tuple(photos), skipped)


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(where) / name
