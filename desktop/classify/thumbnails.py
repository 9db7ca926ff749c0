"""Photos as pictures of the size that is shown, decoded off the main thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage, QPixmap

from serving.errors import ImageError
from serving.image_file import open_image, turn_to_upright
from serving.srgb import to_srgb

MAX_CACHE_BYTES = 48 * 2**20
"""Bytes of decoded pictures in the cache."""
MAX_THREADS = 2
MAX_REQUESTS = 400
"""More than fit on a screen; what was requested before these has been scrolled away."""
_LANCZOS = Image.Resampling.LANCZOS


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
        self._decoded.emit(key, decode(key))

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


def decode(key: ThumbnailKey) -> QImage:
    """Return the picture, upright and in the colors that the model sees.

    It is a null image if it cannot be decoded.
    """
    try:
        with open_image(key.path) as image:
            longer, shorter = max(image.size), min(image.size)
            share = min(1.0, key.side / max(1, shorter if key.cover else longer))
            target = (max(1, round(image.width * share)), max(1, round(image.height * share)))
            image.draft("RGB", target)
            small = to_srgb(_smoothly_scalable(image).resize(target, _LANCZOS, reducing_gap=2.0))
            turn = turn_to_upright(image)
            upright = small if turn is None else small.transpose(turn)
    except (OSError, ImageError):
        return QImage()
    form = QImage.Format.Format_RGBA8888 if upright.mode == "RGBA" else QImage.Format.Format_RGB888
    data = upright.tobytes()
    stride = len(upright.mode) * upright.width
    return QImage(data, upright.width, upright.height, stride, form).copy()


def _smoothly_scalable(image: Image.Image) -> Image.Image:
    """Return the image without a palette and the like, whose pixels cannot be mixed."""
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode in ("P", "1") else image


def _bytes(picture: QPixmap) -> int:
    return picture.width() * picture.height() * 4
