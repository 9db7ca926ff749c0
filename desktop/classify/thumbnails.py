"""Photos as pictures of the size that is shown, decoded off the main thread."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage, QPixmap

from desktop.widgets.picture import decode_picture

_log = logging.getLogger(__name__)

MAX_CACHE_BYTES = 48 * 2**20
"""Bytes of decoded pictures in the cache."""
MAX_THREADS = 2
MAX_REQUESTS = 400
"""More than fit on a screen; what was requested before these has been scrolled away."""


@dataclass(frozen=True)
class ThumbnailKey:
    """A photo, scaled so that it just covers or just fits a square of `side` pixels."""

    path: Path
    side: int
    cover: bool = True
    """The shorter side is as long as the square's; otherwise the longer one is."""


class Thumbnails(QObject):
    """Decodes the newest request first, and keeps what was used lately.

    A file that cannot be decoded gives a null pixmap, once, and is not tried again
    until it is forgotten.
    """

    ready = Signal(object)
    """ThumbnailKey, whose picture `get` now returns."""
    _decoded = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cache: OrderedDict[ThumbnailKey, QPixmap] = OrderedDict()
        self._size = 0
        self._requested: dict[ThumbnailKey, None] = {}
        self._decoding: set[ThumbnailKey] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(MAX_THREADS, "thumbnails")
        self._decoded.connect(self._store, Qt.ConnectionType.QueuedConnection)

    def get(self, key: ThumbnailKey) -> QPixmap | None:
        """Return the picture, or None and have it decoded; `ready` is emitted then."""
        cached = self._cache.get(key)
        if cached is not None:
            self._cache.move_to_end(key)
            return cached
        with self._lock:
            if key in self._decoding:
                return None
            # Requested again, it moves to the end of the dict, which is decoded first;
            # the pool has a call of `_work` for it already.
            already = key in self._requested
            self._requested.pop(key, None)
            self._requested[key] = None
            if already:
                return None
            if len(self._requested) > MAX_REQUESTS:
                del self._requested[next(iter(self._requested))]
        self._pool.submit(self._work)
        return None

    def forget(self, paths: Iterable[Path]) -> None:
        """Drop what is kept of photos, because their files may have changed."""
        forgotten = set(paths)
        for key in [each for each in self._cache if each.path in forgotten]:
            self._size -= _bytes(self._cache.pop(key))

    def close(self) -> None:
        """Stop decoding, and wait for the threads."""
        with self._lock:
            self._requested.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self) -> None:
        with self._lock:
            if not self._requested:
                return
            key, _ = self._requested.popitem()
            self._decoding.add(key)
        picture = QImage()
        try:
            picture = decode_picture(key.path, key.side, cover=key.cover)
        except Exception as error:
            _log.warning("A photo could not be shown.", exc_info=error)
        finally:  # or its tile would be waited for without an end
            self._decoded.emit(key, picture)

    def _store(self, key: ThumbnailKey, image: QImage) -> None:
        with self._lock:
            self._decoding.discard(key)
        picture = QPixmap.fromImage(image)
        self._cache[key] = picture
        self._size += _bytes(picture)
        while self._size > MAX_CACHE_BYTES and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._size -= _bytes(oldest)
        self.ready.emit(key)


def _bytes(picture: QPixmap) -> int:
    return picture.width() * picture.height() * 4
