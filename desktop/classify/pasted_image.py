"""Pictures from the clipboard, kept as files."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QImage, QImageWriter

from desktop.translation import tr
from serving.errors import ImageError, storage_error
from serving.files import mark_newest, write_aside

MAX_PASTED = 1000
MAX_PASTED_BYTES = 2**30
"""The oldest ones beyond either are removed."""
_PASTED = "pasted-*.png"


def save_pasted_image(image: QImage, folder: Path, keep: Collection[Path] = ()) -> Path:
    """Keep `image` in `folder` under a name made from its pixels; raises ImageError.

    The same picture pasted again is the same file. The oldest others beyond the limits are
    removed, except those in `keep`.
    """
    content = hashlib.sha256(bytes(image.constBits())).hexdigest()[:12]
    path = folder / f"pasted-{content}.png"
    try:
        if not path.exists():
            # Aside first: half a picture that a full disk left would count as this one for ever.
            write_aside(path, _png(image))
            mark_newest(path, (each for each in folder.glob(_PASTED) if each != path))
    except OSError as error:
        what = tr("The pasted picture could not be saved")
        raise storage_error(error, path, what, ImageError) from error
    _remove_oldest(folder, {path, *keep})
    return path


def _png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not QImageWriter(buffer, b"png").write(image):
        raise ImageError(tr("The clipboard holds no picture."), tr("Copy it again, then paste."))
    return bytes(buffer.data().data())


def _remove_oldest(folder: Path, keep: Collection[Path]) -> None:
    found = sorted(
        ((path.stat(), path) for path in folder.glob(_PASTED)),
        key=lambda each: each[0].st_mtime_ns,
        reverse=True,
    )
    total = 0
    for index, (state, path) in enumerate(found):
        total += state.st_size
        if (index >= MAX_PASTED or total > MAX_PASTED_BYTES) and path not in keep:
            path.unlink(missing_ok=True)
