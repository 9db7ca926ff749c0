"""Photos as pictures of the size that is shown, decoded off the main thread."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QImage, QPixmap

from desktop.classify.thumbnail_files import ThumbnailFiles, encode_thumbnail, thumbnail_name
from desktop.widgets.picture import center_crop, decode_picture

_log = logging.getLogger(__name__)

MAX_CACHE_BYTES = 48 * 2**20
"""Bytes of decoded pictures in the cache."""
SLOW_SECONDS = 0.004
"""Of a core. To read a kept one takes a millisecond, so what is made as fast is not kept."""
MAX_THREADS = 2
_NICE = 10
MAX_REQUESTS = 400
"""More than fit on a screen; what was requested before these has been scrolled away."""


@dataclass(frozen=True)
class ThumbnailKey:
    """A photo, scaled so that it just covers or just fits a square of `side` pixels."""

    path: Path
    side: int
    cover: bool = True
    """The shorter side is as long as the square's; otherwise the longer one is."""
    height: int | None = None
    """The middle part alone, `side` x `height` pixels: what a frame of that size shows of it, so
    that nothing is scaled or cut off while it is painted."""


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
        self.files: ThumbnailFiles | None = None
        """Where those of tiles are kept that took long, if anywhere."""
        self.slow_seconds = SLOW_SECONDS
        self._cache: OrderedDict[ThumbnailKey, QPixmap] = OrderedDict()
        self._cached_of: dict[Path, set[ThumbnailKey]] = {}
        """The keys in the cache by their photos: of a folder that is classified again, most have
        none."""
        self._size = 0
        self._requested: dict[ThumbnailKey, None] = {}
        self._decoding: set[ThumbnailKey] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(MAX_THREADS, "thumbnails", initializer=_give_way)
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
        for path in paths:
            for key in self._cached_of.pop(path, ()):
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
            picture = self._picture(key)
        except Exception as error:
            _log.warning("A photo could not be shown.", exc_info=error)
        finally:  # or its tile would be waited for without an end
            self._decoded.emit(key, as_painted(picture, key))

    def _picture(self, key: ThumbnailKey) -> QImage:
        files = self.files if key.cover else None
        name = thumbnail_name(key.path, key.side) if files is not None else None
        if files is not None and name is not None and (kept := files.read(name)) is not None:
            picture = decode_picture(kept, key.side)
            if not picture.isNull():
                return picture
        started = time.thread_time()
        picture = decode_picture(key.path, key.side, cover=key.cover)
        is_slow = time.thread_time() - started >= self.slow_seconds
        if files is not None and name is not None and is_slow:
            content = encode_thumbnail(picture)
            if content is not None:
                files.write(name, content)
        return picture

    def _store(self, key: ThumbnailKey, image: QImage) -> None:
        with self._lock:
            self._decoding.discard(key)
        picture = QPixmap.fromImage(image)
        before = self._cache.get(key)
        self._size += _bytes(picture) - (0 if before is None else _bytes(before))
        self._cache[key] = picture
        self._cached_of.setdefault(key.path, set()).add(key)
        while self._size > MAX_CACHE_BYTES and len(self._cache) > 1:
            dropped, oldest = self._cache.popitem(last=False)
            self._size -= _bytes(oldest)
            self._cached_of[dropped.path].discard(dropped)
            if not self._cached_of[dropped.path]:
                del self._cached_of[dropped.path]
        self.ready.emit(key)


def as_painted(picture: QImage, key: ThumbnailKey) -> QImage:
    """Return what of a decoded picture is shown, with its pixels as the screen has them.

    May be called on any thread, and is, so that Qt's has nothing to convert.
    """
    if picture.isNull():
        return picture
    if key.height is not None and (picture.width(), picture.height()) != (key.side, key.height):
        size = QSize(key.side, key.height)
        part = center_crop(picture, QRectF(QPointF(), QSizeF(size))).toRect()
        ignore = Qt.AspectRatioMode.IgnoreAspectRatio
        smooth = Qt.TransformationMode.SmoothTransformation
        picture = picture.copy(part).scaled(size, ignore, smooth)
    opaque, mixed = QImage.Format.Format_RGB32, QImage.Format.Format_ARGB32_Premultiplied
    return picture.convertToFormat(mixed if picture.hasAlphaChannel() else opaque)


def _give_way() -> None:
    """Let the thread come after those that classify: an answer is waited for more than a picture.

    On Linux, threads have a priority each.
    """
    if sys.platform == "linux":
        os.nice(_NICE)


def _bytes(picture: QPixmap) -> int:
    return picture.width() * picture.height() * 4
