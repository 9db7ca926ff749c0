"""Writes an image to a file as it arrives: whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from serving.background import finish
from serving.engines.docker.image.transfer import Download
from serving.engines.docker.streams import Stream, StreamEnded
from serving.errors import EngineError, storage_error
from serving.files import flush_folder
from serving.leftovers import sweep, writer_tag
from serving.private import persons_umask
from serving.progress import Report
from serving.units import format_bytes

REPORT_INTERVAL_SECONDS = 0.25


async def save_to(path: Path, download: Download, about: int, engine: str, report: Report) -> int:
    """Write what is downloaded, `about` so many bytes, to `path`; return how many there were.

    It is written aside and renamed. Raises EngineError if the engine or the disk refuses it.
    """
    aside = path.with_name(f".{path.name}.{writer_tag()}")
    try:
        # What a killed program left beside it would take gigabytes for ever.
        await asyncio.to_thread(sweep, [path.parent])
        file = await asyncio.to_thread(_create, aside)
        try:
            written = await _receive(_Writer(download, file, path), engine, about, report)
        finally:
            await finish(asyncio.to_thread(file.close))
        await finish(asyncio.to_thread(_put, aside, path))
    except OSError as error:
        raise _refused(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            await finish(asyncio.to_thread(aside.unlink, missing_ok=True))
    report(100, 100, format_bytes(written))
    return written


class _Writer:
    """Writes each part in the thread that reads it, so that none waits in memory.

    Yields how long each was. Another thread may close it.
    """

    def __init__(self, download: Download, file: IO[bytes], path: Path) -> None:
        self._path = path
        self._download = download
        self._file = file

    def __iter__(self) -> Iterator[int]:
        for part in self._download:
            try:
                self._file.write(part)
            except OSError as error:
                raise _refused(error, self._path) from error
            yield len(part)

    def close(self) -> None:
        self._download.close()


async def _receive(writer: _Writer, engine: str, about: int, report: Report) -> int:
    written, reported = 0, 0.0
    async with Stream(writer, "save an image", engine) as parts:
        while True:
            try:
                written += await parts.next()
            except StreamEnded:
                return written
            if time.monotonic() - reported >= REPORT_INTERVAL_SECONDS:
                reported = time.monotonic()
                # The engine knows what the files take, not how long the archive will be.
                percent = min(99, 100 * written // about) if about else 0
                report(percent, 100, f"{format_bytes(written)} of about {format_bytes(about)}")


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _put(aside: Path, path: Path) -> None:
    with persons_umask() as umask:
        aside.chmod(0o666 & ~umask)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)
    flush_folder(path.parent)


def _refused(error: OSError, path: Path) -> EngineError:
    return storage_error(error, path.parent, "The image could not be saved", EngineError)
