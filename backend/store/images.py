"""Labelled images, each stored once, under the SHA-256 of its normalized JPEG."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from serving.errors import BackendError, StorageUnavailable, storage_error
from serving.files import flush_folder, write_aside, write_in_place_of
from serving.state_files import DamagedFile, UnreadableFile, read_file, set_aside
from serving.workspace import DAMAGED_NAME

_HASH = re.compile(r"[0-9a-f]{64}")
MAX_IMAGE_BYTES = 2**26
"""Of a stored image; normalized ones are far smaller."""
_RECENT_SECONDS = 60.0
_WRITERS = 8
"""Files that are flushed at the same time: the disk does that in one go."""


class UnknownImage(BackendError):
    """No stored photo has this hash."""

    def __init__(self, image: str) -> None:
        super().__init__(
            f"There is no image {image[:64]}.",
            "Send the photo itself; `GET /models/MODEL/photos` lists labelled ones.",
        )


class ImageFolder:
    """Immutable JPEG files: `<root>/<first two hex digits>/<hash>.jpg`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, image: str) -> Path:
        """Return where the image with this hash is, or would be."""
        return self.root / image[:2] / f"{image}.jpg"

    def find(self, image: str) -> Path | None:
        """Return where the image is, or None if `image` is not the hash of a stored one.

        It may be damaged.
        """
        path = self.path(image)
        # The whole name, which may come from a request: it must not lead out of the folder.
        return path if _HASH.fullmatch(image) and os.path.lexists(path) else None

    def is_whole(self, image: str) -> bool:
        """Say whether the image with this hash is stored, and not damaged."""
        return _stored_for(self.path(image)) is not None

    def put(self, jpeg: bytes) -> str:
        """Store a normalized JPEG and return its hash; it is on disk when this returns.

        One that was damaged since it was stored is whole again then. Raises StorageUnavailable if
        it cannot be written.
        """
        image = hashlib.sha256(jpeg).hexdigest()
        with self._explained():
            self._write({image: jpeg})
        return image

    def put_many(self, jpegs: Sequence[bytes]) -> list[str]:
        """Store normalized JPEGs, much faster than one by one, and return their hashes.

        They are on disk when this returns. Raises StorageUnavailable if one cannot be written.
        """
        images = [hashlib.sha256(jpeg).hexdigest() for jpeg in jpegs]
        with self._explained():
            self._write(dict(zip(images, jpegs, strict=True)))
        return images

    def _write(self, jpegs: Mapping[str, bytes]) -> None:
        paths = {self.path(image): jpeg for image, jpeg in jpegs.items()}
        with ThreadPoolExecutor(_WRITERS) as pool:
            stored_for = dict(zip(paths, pool.map(_stored_for, paths), strict=True))
            missing = {path: jpeg for path, jpeg in paths.items() if stored_for[path] is None}
            list(pool.map(self._write_one, missing.keys(), missing.values()))
        # Another thread may have renamed a recent one into place, and not yet flushed that.
        recent = {
            path.parent
            for path, seconds in stored_for.items()
            if seconds is not None and seconds < _RECENT_SECONDS
        }
        for folder in recent | ({self.root} if missing else set()):
            flush_folder(folder)

    def _write_one(self, path: Path, jpeg: bytes) -> None:
        """Write an image; what is damaged in its place is kept in the workspace's `damaged`."""
        damaged = self.root.parent / DAMAGED_NAME
        if os.path.lexists(path.parent) and not path.parent.is_dir():
            set_aside(path.parent, damaged)
        if os.path.lexists(path):
            write_in_place_of(path, path, jpeg, damaged)
        else:
            write_aside(path, jpeg)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = "The image could not be saved"
            raise storage_error(error, self.root, what, StorageUnavailable) from error


def read_image(path: Path) -> bytes:
    """Return a stored image, if it is the one whose hash is its name.

    Raises DamagedFile if it is another one, cut, empty or gone, UnreadableFile if it cannot be
    read at the moment.
    """
    content = read_file(path, MAX_IMAGE_BYTES)
    if content is None:
        raise DamagedFile(path, "it is gone")
    if hashlib.sha256(content).hexdigest() != path.stem:
        fault = "it is not the photo that was stored" if content else "it is empty"
        raise DamagedFile(path, fault)
    return content


def _stored_for(path: Path) -> float | None:
    """Return how many seconds ago an image was stored, as far as the clock can be believed.

    None if it is not there, or damaged: then it has to be stored again.
    """
    try:
        read_image(path)
        return max(0.0, time.time() - path.stat().st_ctime)
    except (UnreadableFile, FileNotFoundError):
        return None
