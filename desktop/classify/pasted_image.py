"""Pictures from the clipboard, kept as files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PySide6.QtGui import QImage

from serving.errors import ImageError


def save_pasted_image(image: QImage, folder: Path) -> Path:
    """Keep `image` in `folder` under a name made from its pixels; raises ImageError.

    The same picture pasted again is the same file.
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
    return path
