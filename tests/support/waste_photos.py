"""Real photos of waste, one folder a class, as a person would collect them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

WASTE = ("cardboard", "glass", "metal")


def waste_folder(
    shared_data: Path, folder: Path, per_class: int, classes: Sequence[str] = WASTE
) -> Path:
    """Make a folder with a folder of photos for each class, and a file that is no photo."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for photo in _photos(shared_data, "train", name)[:per_class]:
            shutil.copy(photo, folder / name)
    (folder / classes[0] / "notes.txt").write_text("Collected on a Tuesday.\n")
    return folder


def unseen_photos(
    shared_data: Path, per_class: int, classes: Sequence[str] = WASTE
) -> dict[Path, str]:
    """Return photos that are in no `waste_folder`, and the class of each."""
    return {
        photo: name for name in classes for photo in _photos(shared_data, "test", name)[:per_class]
    }


def _photos(shared_data: Path, part: str, name: str) -> list[Path]:
    found = sorted((shared_data / "trashnet" / part / name).iterdir())
    assert found
    return found
