"""Pictures from the clipboard, kept as files."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from PySide6.QtGui import QImage

from serving.errors import ImageError

MAX_PASTED = 1000
MAX_PASTED_BYTES = 2**30
"""The oldest ones beyond either are removed."""


def save_pasted_image(image: QImage, folder: Path, keep: Collection[Path] = ()) -> Path:
    """Keep `image` in `folder` under a name made from its pixels; raises ImageError.

    The same picture pasted again is the same file. The oldest others beyond the limits are
    removed, except those in `keep`.
    """
    content = hashlib.sha256(bytes(image.constBits())).hexdigest()[:12]
    path = folder / f"pasted-{content}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        saved = path.exists() or image.save(str(path))
    except OSError:
        saved = False
    if not saved:
        raise ImageError(
            "The pasted picture could not be saved.",
            "Check that the disk has free space, then try again.",
        )
    _remove_oldest(folder, {path, *keep})
    return path


def _remove_oldest(folder: Path, keep: Collection[Path]) -> None:
    found = sorted(
        ((path.stat(), path) for path in folder.glob("pasted-*.png")),
        key=lambda each: each[0].st_mtime_ns,
        reverse=True,
    )
    total = 0
    for index, (state, path) in enumerate(found):
        total += state.st_size
        if (index >= MAX_PASTED or total > MAX_PASTED_BYTES) and path not in keep:
            path.unlink(missing_ok=True)
