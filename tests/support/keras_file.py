"""A Keras file for tests that must not load TensorFlow themselves.

`python -m tests.support.keras_file` makes it, with TensorFlow: needed once, after a change to
`imported_models.network`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

KERAS_FILE = Path(__file__).with_name("pets.keras")
"""What `imported_models.network()` is as a file; test_formats.py checks that."""
LABELS = ("zebra", "cat", "t-shirt")


def write_keras_file(folder: Path, name: str = "pets") -> Path:
    """Write a small classifier, and `labels.txt` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.keras"
    shutil.copyfile(KERAS_FILE, path)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    return path


if __name__ == "__main__":
    from tests.support.imported_models import network

    network().save(KERAS_FILE)
