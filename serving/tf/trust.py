"""Which versions a person trusts, although they can do more than compute.

A version is trusted by a digest of its files, so that one that is changed later is not.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from serving.tf.graph_safety import UnsafeModel, check_operations
from serving.tf.names import WARM_UP_FILE

TRUSTED_NAME = "trusted.json"
"""In the folder of the models: who is trusted, as a JSON object by digest."""
MAX_TRUSTED_BYTES = 2**24
"""Of that file. One that is larger was not written by Servery."""

_LOADED = ("saved_model.*", "variables/**/*", "assets/**/*", WARM_UP_FILE.as_posix())
"""The files that TensorFlow, or the model server, takes something to run from."""


def version_digest(folder: Path) -> str:
    """Return what identifies a version by the content of its files; raises OSError."""
    digest = hashlib.sha256()
    for path in _loaded_files(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{content}  {path.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def read_trusted(path: Path) -> dict[str, str]:
    """Return what a list of trusted versions says of each, by digest; nothing if it is damaged."""
    try:
        raw = json.loads(_read(path))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(raw, Mapping):
        return {}
    return {str(digest): str(about) for digest, about in raw.items()}


def check_trusted(folder: Path, trusted: Path | None) -> None:
    """Raise UnsafeModel if a version can do more than compute and `trusted` does not list it.

    Raises another ServingError if its graph cannot be read.
    """
    try:
        check_operations(folder)
    except UnsafeModel:
        if trusted is None or not is_trusted(folder, trusted):
            raise


def is_trusted(folder: Path, trusted: Path) -> bool:
    """Whether `trusted` lists a version as it is now."""
    listed = read_trusted(trusted)
    try:
        return bool(listed) and version_digest(folder) in listed
    except OSError:
        return False


def _read(path: Path) -> bytes:
    """Return the content of a small file without waiting, as a pipe in its place would make us."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_TRUSTED_BYTES:
            raise ValueError("this is no list of trusted versions")
        return file.read(MAX_TRUSTED_BYTES)


def _loaded_files(folder: Path) -> Iterator[Path]:
    found = {path for pattern in _LOADED for path in folder.glob(pattern)}
    yield from (path for path in sorted(found) if path.is_file())
