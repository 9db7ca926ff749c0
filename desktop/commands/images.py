"""Image files that are named on the command line."""

from __future__ import annotations

from pathlib import Path

from serving.errors import ImageError


def read_image(file: Path) -> bytes:
    """Return the bytes of `file`; raises ImageError where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ImageError(
            f"The file cannot be read: {error.strerror or error}.",
            "Check its name and that you may read it.",
        ) from error
