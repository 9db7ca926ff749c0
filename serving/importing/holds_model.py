"""Says whether a person who gives a path means a model or photos to learn from."""

from __future__ import annotations

import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from serving.image_file import IMAGE_SUFFIXES
from serving.importing.model_file import MODEL_SUFFIXES
from serving.tf.names import SAVED_MODEL_FILE

_MAX_DEPTH = 3
"""Folders in which a model is looked for, the one that was named included."""
_MAX_NAMES = 20_000
"""More are not looked at: a model has few files."""


def is_model_file(path: Path) -> bool:
    """Whether a file is a model by its ending, of a kind that is imported or refused by name."""
    return path.suffix.lower() in MODEL_SUFFIXES


def holds_model(path: Path) -> bool:
    """Whether `path` is a model, or a folder or zip file with one and without photos in folders.

    Looks at names alone and loads nothing; blocks. False for what cannot be read.
    """
    try:
        if path.is_dir():
            return _is_model(_names_in(path))
        if path.suffix.lower() != ".zip":
            return is_model_file(path)
        with zipfile.ZipFile(path) as archive:
            return _is_model(map(PurePosixPath, archive.namelist()))
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _is_model(names: Iterable[PurePosixPath]) -> bool:
    """Say it from the paths of the files, relative to the folder."""
    found = False
    for name in islice(names, _MAX_NAMES):
        if any(part.startswith((".", "__")) for part in name.parts):
            continue
        if name == PurePosixPath(SAVED_MODEL_FILE):
            return True
        found = found or (len(name.parts) <= _MAX_DEPTH and is_model_file(Path(name)))
        # Photos in folders are classes to learn; a model file beside them is what was learned.
        if len(name.parts) > 1 and name.suffix.lower() in IMAGE_SUFFIXES:
            return False
    return found


def _names_in(folder: Path) -> Iterator[PurePosixPath]:
    """Yield the files in a folder and its folders, those at the top first."""
    waiting = deque([(folder, 1)])
    while waiting:
        current, depth = waiting.popleft()
        for entry in current.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                if depth < _MAX_DEPTH:
                    waiting.append((entry, depth + 1))
            else:
                yield PurePosixPath(entry.relative_to(folder))
