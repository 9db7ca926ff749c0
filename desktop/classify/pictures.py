"""Photos as pictures of the size that is shown, decoded off the main thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage, QPixmap

from serving.upright import MAX_PIXELS

BUDGET = 48 * 2**20
"""Bytes of decoded pictures that are kept."""
THREADS = 2
MOST_ASKED = 400
"""More than fit on a screen; what was asked for before these has been scrolled away."""


@dataclass(frozen=True)
class Wanted:
    """A photo, scaled so that it just covers or just fits a square of `side` pixels."""

    path: Path
    side: int
    cover: bool = True
    """The shorter side is as long as the square's; otherwise the longer one is."""


class Pictures(QObject):
    """Decodes the newest request first, and keeps what was asked for lately.

    A file that cannot be decoded gives a null pixmap, once, and is not tried again
    until it is forgotten.
    """

    ready = Signal(object)
    """Wanted, which `get` now answers."""
    _decoded = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept: OrderedDict[Wanted, QPixmap] = OrderedDict()
        self._size = 0
        self._asked: dict[Wanted, None] = {}
        self._under_way: set[Wanted] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, "pictures")
        self._decoded.connect(self._keep, Qt.ConnectionType.QueuedConnection)

    def get(self, wanted: Wanted) -> QPixmap | None:
        """Return the picture, or None and have it decoded; `ready` tells when."""
        kept = self._kept.get(wanted)
        if kept is not None:
            self._kept.move_to_end(wanted)
            return kept
        with self._lock:
            if wanted in self._under_way:
                return None
            again = wanted in self._asked
            self._asked.pop(wanted, None)
            self._asked[wanted] = None
            if again:
                return None
            if len(self._asked) > MOST_ASKED:
                del self._asked[next(iter(self._asked))]
        self._pool.submit(self._work)
        return None

    def forget(self, path: Path) -> None:
        """Drop what is kept of a photo, because its file may have changed."""
        for wanted in [each for each in self._kept if each.path == path]:
            self._size -= _bytes(self._kept.pop(wanted))

    def close(self) -> None:
        """Stop decoding, and wait for the threads."""
        with self._lock:
            self._asked.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self) -> None:
        with self._lock:
            if not self._asked:
                return
            wanted, _ = self._asked.popitem()
            self._under_way.add(wanted)
        self._decoded.emit(wanted, decode(wanted))

    def _keep(self, wanted: Wanted, image: QImage) -> None:
        with self._lock:
            self._under_way.discard(wanted)
        picture = QPixmap.fromImage(image)
        self._kept[wanted] = picture
        self._size += _bytes(picture)
        while self._size > BUDGET and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._size -= _bytes(oldest)
        self.ready.emit(wanted)


def decode(wanted: Wanted) -> QImage:
    """Return the picture, upright; a null image where the file cannot be decoded."""
    try:
        with Image.open(wanted.path) as image:
            if image.width * image.height > MAX_PIXELS:
                return QImage()
            longer, shorter = max(image.size), min(image.size)
            share = min(1.0, wanted.side / max(1, shorter if wanted.cover else longer))
            target = (max(1, round(image.width * share)), max(1, round(image.height * share)))
            image.draft("RGB", target)
            small = image.convert("RGBA" if _has_alpha(image) else "RGB")
            small = small.resize(target, Image.Resampling.LANCZOS, reducing_gap=2.0)
            upright = ImageOps.exif_transpose(small)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return QImage()
    form = QImage.Format.Format_RGBA8888 if upright.mode == "RGBA" else QImage.Format.Format_RGB888
    data = upright.tobytes()
    stride = len(upright.mode) * upright.width
    return QImage(data, upright.width, upright.height, stride, form).copy()


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info


def _bytes(picture: QPixmap) -> int:
    return picture.width() * picture.height() * 4
