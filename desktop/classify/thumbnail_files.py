"""Thumbnails on disk, so that large photos are decoded once and not each time they are seen."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import threading
from pathlib import Path

from PIL import Image
from PySide6.QtGui import QImage

from serving.private import make_private_folder

_log = logging.getLogger(__name__)

MAX_BYTES = 256 * 2**20
"""Of all files together; those that were used last stay."""
_KEPT_SHARE = 0.8
"""Of MAX_BYTES, when there are more."""
_QUALITY = 90


def thumbnail_name(photo: Path, side: int) -> str | None:
    """Return a name that no other photo, no other content of its file and no other size has; None
    if the file cannot be looked at."""
    try:
        status = photo.stat()
    except (OSError, ValueError):
        return None
    facts = f"{status.st_mtime_ns} {status.st_size} {side} "
    return hashlib.sha256(facts.encode() + os.fsencode(photo)).hexdigest()


def encode_thumbnail(picture: QImage) -> bytes | None:
    """Return a picture as JPEG; None if something in it is transparent."""
    if picture.format() is not QImage.Format.Format_RGB888:
        return None
    size, stride = (picture.width(), picture.height()), picture.bytesPerLine()
    pixels = Image.frombuffer("RGB", size, bytes(picture.constBits()), "raw", "RGB", stride)
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


class ThumbnailFiles:
    """Keeps the files that were used last; what the disk refuses is not kept.

    All methods may be called on any thread.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._size: int | None = None
        """Bytes in the folder; None until it has been looked at."""

    def read(self, name: str) -> bytes | None:
        """Return what was written under this name; None if nothing was, or it is gone."""
        path = self._folder / name
        try:
            content = path.read_bytes()
            os.utime(path)  # used now
        except OSError:
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        part = path.with_name(f".{name}.{threading.get_native_id()}")
        try:
            with self._lock:
                if self._size is None:
                    make_private_folder(self._folder)
                    self._size = sum(size for _, size, _ in self._files())
            part.write_bytes(content)
            part.replace(path)
            with self._lock:
                self._size += len(content)
                if self._size > self._max_bytes:
                    self._size = self._remove_oldest()
        except OSError as error:
            _log.info("A thumbnail was not kept: %s", error)

    def _files(self) -> list[tuple[int, int, str]]:
        """Return when each file was used, its bytes and its path."""
        with os.scandir(self._folder) as entries:
            found = [(entry.stat(), entry.path) for entry in entries]
        return [(status.st_mtime_ns, status.st_size, path) for status, path in found]

    def _remove_oldest(self) -> int:
        """Remove what was used longest ago; returns the bytes that are left."""
        files = sorted(self._files())
        left = sum(size for _, size, _ in files)
        for _, size, path in files:
            if left <= _KEPT_SHARE * self._max_bytes:
                break
            Path(path).unlink(missing_ok=True)
            left -= size
        return left
