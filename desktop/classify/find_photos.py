"""Finds the image files in what a person drops."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from desktop.formats import count
from desktop.translation import tr
from serving.errors import ImageError
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


_FIRST_PART, _PART = 100, 500
"""Photos that are passed on at once: the first ones are more than a screen shows."""
_PART_SECONDS = 0.1
"""After so long what was found is passed on, however little it is."""
_REPORT_EVERY = 100
"""Photos between two reports: to word one takes as long as to find a photo."""


async def find_photos(dropped: Iterable[Path], report: Report = no_report) -> FoundPhotos:
    """Return what `find_in_parts` finds, all of it."""
    photos: list[Path] = []
    skipped = 0
    unreadable: list[ImageError] = []
    async with aclosing(find_in_parts(dropped, report)) as parts:
        async for part in parts:
            photos += part.photos
            skipped += part.skipped
            unreadable += part.unreadable
    return FoundPhotos(tuple(photos), skipped, tuple(unreadable))


async def find_in_parts(
    dropped: Iterable[Path], report: Report = no_report
) -> AsyncGenerator[FoundPhotos, None]:
    """Yield the image files among `dropped` and, however deep, in its folders.

    In folders the content decides, not the name; but a file that is named like an
    image and is not one is returned too, so that a person learns what is wrong
    with it. Files that were dropped themselves are always returned, also those that
    cannot be looked at. Hidden files and folders are skipped; links to folders are not
    followed. A folder that cannot be read is named, and costs no other.

    A part comes as soon as there are some hundred photos in it, so that the first ones are shown
    while a large folder is still being searched; no photo is in two of them.
    """
    loop = asyncio.get_running_loop()
    found: deque[FoundPhotos] = deque()
    changed = asyncio.Event()
    stop = threading.Event()  # ending this generator does not stop the thread

    def pass_on(part: FoundPhotos) -> None:
        found.append(part)
        loop.call_soon_threadsafe(changed.set)

    searching = loop.run_in_executor(None, _find, tuple(dropped), report, stop, pass_on)
    searching.add_done_callback(lambda _: changed.set())
    try:
        while not searching.done() or found:
            if not found:
                changed.clear()
                await changed.wait()
            while found:
                yield found.popleft()
        await searching
    finally:
        stop.set()


def _find(
    dropped: tuple[Path, ...],
    report: Report,
    stop: threading.Event,
    pass_on: Callable[[FoundPhotos], None],
) -> None:
    photos: dict[Path, None] = {}
    part: list[Path] = []
    skipped = 0
    unreadable: list[ImageError] = []
    passed_on_at = time.monotonic()

    def add(photo: Path) -> None:
        nonlocal part, passed_on_at
        if photo in photos:
            return
        photos[photo] = None
        part.append(photo)
        size = _FIRST_PART if len(photos) <= _FIRST_PART else _PART
        if len(part) >= size or time.monotonic() - passed_on_at >= _PART_SECONDS:
            pass_on(FoundPhotos(tuple(part), 0))
            part, passed_on_at = [], time.monotonic()

    def leave_out(error: OSError) -> None:
        folder = Path(os.fsdecode(error.filename or ""))
        unreadable.append(
            ImageError(
                unreadable_folder(error, folder),
                tr(
                    "Give yourself permission to open {folder}, or drop the photos in it.",
                    folder=folder,
                ),
            )
        )

    for path in dropped:
        if not _is_folder(path):
            add(path.absolute())
            continue
        for file in _walk(path.absolute(), leave_out):
            if stop.is_set():
                break
            if file.suffix.lower() in IMAGE_SUFFIXES or is_image_file(file):
                add(file)
                if len(photos) % _REPORT_EVERY == 1:
                    found = tr("Looking for photos, {count} found", count=count(len(photos)))
                    report(len(photos), 0, found)
            else:
                skipped += 1
    pass_on(FoundPhotos(tuple(part), skipped, tuple(unreadable)))


def unreadable_folder(error: OSError, folder: Path) -> str:
    """Say that a folder cannot be read, and why."""
    return tr(
        "The folder {folder} cannot be read: {reason}.",
        folder=folder.name or folder,
        reason=error.strerror or error,
    )


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
