"""The photos that models learned from or are asked about, as pictures.

They are fetched from the backend, or read from their files, and decoded aside.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QPixmap

from desktop.jobs import Jobs
from desktop.widgets.picture import decode_picture
from serving.errors import BackendError
from serving.progress import Report

MAX_CACHE_BYTES = 24 * 2**20
"""Bytes of decoded pictures in the cache, of pages that show small ones."""
MAX_REQUESTS = 400
"""More than fit on a screen; what was requested before these has been scrolled away."""
_CONCURRENCY = 4

PictureKey = tuple[str | Path, int]
"""SHA-256 of a normalized JPEG or the path of an image file, and the pixels that its shorter
side covers."""


class Pictures(QObject):
    """Fetches the newest request first, and keeps what was used lately.

    A photo that cannot be fetched or decoded gives a null pixmap, and is not tried again
    while that is in the cache, or until `forget_failed`. `fetch` returns the JPEG with a
    SHA-256; it raises BackendError. Needs a running event loop only once `start` was called.
    """

    ready = Signal(str)
    """The SHA-256 or the path of a photo that `get` now returns."""

    def __init__(self, parent: QObject | None = None, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        super().__init__(parent)
        self._max_bytes = max_bytes
        self._cache: OrderedDict[PictureKey, QPixmap] = OrderedDict()
        self._bytes = 0
        self._requested: dict[PictureKey, None] = {}
        self._fetching: set[PictureKey] = set()
        self._fetch: Callable[[str], Awaitable[bytes]] | None = None
        self._jobs: Jobs | None = None

    def start(self, fetch: Callable[[str], Awaitable[bytes]], jobs: Jobs) -> None:
        """Fetch what was requested and what will be, until `jobs` is closed."""
        self._fetch, self._jobs = fetch, jobs
        self._run_queue()

    def get(self, image: str | Path, side: int) -> QPixmap | None:
        """Return the picture, or None and have it fetched; `ready` is emitted then."""
        key = (image, side)
        cached = self._cache.get(key)
        if cached is not None:
            self._cache.move_to_end(key)
            return cached
        if key not in self._fetching:
            # Requested again, it moves to the end of the dict, which is fetched first.
            self._requested.pop(key, None)
            self._requested[key] = None
            if len(self._requested) > MAX_REQUESTS:
                del self._requested[next(iter(self._requested))]
            self._run_queue()
        return None

    def has(self, image: str | Path, side: int) -> bool:
        """Whether `get` returns the picture now."""
        return (image, side) in self._cache

    def forget_failed(self) -> None:
        """Let photos that could not be fetched or decoded be fetched again.

        Those that were damaged may be whole by now.
        """
        for key in [key for key, picture in self._cache.items() if picture.isNull()]:
            del self._cache[key]

    def _run_queue(self) -> None:
        if self._fetch is None or self._jobs is None:
            return
        while self._requested and len(self._fetching) < _CONCURRENCY:
            key, _ = self._requested.popitem()
            self._fetching.add(key)
            self._jobs.start("Fetch a photo", self._fetch_one(key, self._fetch), background=True)

    def _fetch_one(
        self, key: PictureKey, fetch: Callable[[str], Awaitable[bytes]]
    ) -> Callable[[Report], Awaitable[None]]:
        async def work(report: Report) -> None:
            image = QImage()
            try:
                photo, side = key
                file = photo if isinstance(photo, Path) else await fetch(photo)
                image = await asyncio.to_thread(decode_picture, file, side)
            except BackendError:
                pass  # the null image says so on the screen
            finally:
                self._fetching.discard(key)
            self._store(key, QPixmap.fromImage(image))
            self._run_queue()

        return work

    def _store(self, key: PictureKey, picture: QPixmap) -> None:
        self._cache[key] = picture
        self._bytes += _size(picture)
        while self._bytes > self._max_bytes and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._bytes -= _size(oldest)
        self.ready.emit(str(key[0]))


def _size(picture: QPixmap) -> int:
    return picture.width() * picture.height() * 4
