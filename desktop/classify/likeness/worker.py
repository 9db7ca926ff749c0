"""What `Likeness` does on its thread: everything that needs NumPy or the disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from filelock import Timeout

from desktop.classify.likeness.embedding_file import EmbeddingFile, Floats, unit, use_one_thread
from desktop.classify.likeness.similar import StackFinder, nearest
from desktop.translation import tr
from serving.errors import ModelError, ServeryError, storage_error
from serving.models.repository import ModelRepository
from serving.private import make_private_folder

if TYPE_CHECKING:
    from desktop.classify.likeness.likeness import Offered

_log = logging.getLogger(__name__)

MAX_BACKBONES = 4
"""Whose embeddings are kept; those that were used the longest ago are removed."""
_DEAD_SHARE, _DEAD_ROWS = 0.2, 1000
"""Rows that no longer count are dropped from a file once there are more than both."""


class LikenessError(ServeryError):
    """Photos cannot be compared."""


class PhotoStack(NamedTuple):
    """Which stack a photo is in; the stack has at least two photos."""

    photo: int
    stack: int


class _Backbone:
    def __init__(self, file: EmbeddingFile) -> None:
        self.file = file
        self.finder = StackFinder(file)


class LikenessWorker:
    """The files of all backbones in a folder; photos are compared within the current one."""

    def __init__(self, folder: Path, models: Path) -> None:
        use_one_thread()
        self._folder = folder
        self._repository = ModelRepository(models)
        self._open: dict[str, _Backbone] = {}
        self._names: dict[tuple[str, int], str] = {}
        self._current = ""

    def close(self) -> None:
        for backbone in self._open.values():
            backbone.file.close()
        self._open.clear()

    def use_latest(self) -> list[PhotoStack]:
        """Compare within the backbone that was used last; returns its stacks."""
        folders = self._folders()
        if not folders:
            return []
        for old in folders[MAX_BACKBONES:]:
            shutil.rmtree(old, ignore_errors=True)
        self._current = folders[0].name.rpartition("-")[0]
        return self.stacks()

    def use(self, model: str, version: int) -> list[PhotoStack] | None:
        """Compare within the backbone of a version; returns its stacks, None if it is in use."""
        name = self._name(model, version)
        if name == self._current:
            return None
        self._current = name
        return self.stacks()

    def stacks(self) -> list[PhotoStack]:
        """Return every photo that is in a stack with others; raises LikenessError."""
        backbone = self._backbone()
        if backbone is None:
            return []
        file = backbone.file
        stacks = {photo: file.cover(row) for photo, row in file.items}
        sizes = Counter(stacks.values())
        return [PhotoStack(photo, 1 + row) for photo, row in stacks.items() if sizes[row] > 1]

    def add(self, offered: Sequence[Offered]) -> list[PhotoStack]:
        """Keep embeddings; returns the photos whose stacks they change. Raises LikenessError."""
        changed: list[PhotoStack] = []
        by_file: dict[tuple[str, int], dict[int, bytes]] = {}
        for each in offered:
            name = self._name(each.model, each.version)
            by_file.setdefault((name, len(each.embedding) // 4), {})[each.photo] = each.embedding
        for (name, size), photos in by_file.items():
            backbone = self._opened(name, size)
            first = len(backbone.file)
            raw = np.frombuffer(b"".join(photos.values()), "<f4").reshape(-1, size)
            sound = np.isfinite(raw).all(axis=1)
            keys = [key for key, is_sound in zip(photos, sound.tolist(), strict=True) if is_sound]
            try:
                backbone.finder.add(keys, unit(raw[sound]))
            except OSError as error:
                raise self._refused(error) from error
            if name == self._current or not self._current:
                self._current = name
                changed += _changed(backbone.file, first)
        return changed

    def nearest(self, photo: int, count: int) -> list[int] | None:
        """Return the photos most like `photo`, the most similar first; None if it has no
        embedding."""
        backbone = self._backbone()
        row = backbone.file.row(photo) if backbone is not None else None
        if backbone is None or row is None:
            return None
        try:
            found = nearest(backbone.file, row, count)
        except OSError as error:
            raise self._refused(error) from error
        keys = [backbone.file.key(row) for row, _ in found]
        return [key for key in keys if key is not None]

    def without(self, photos: Iterable[int]) -> list[int]:
        """Return those of `photos` that have no embedding of the current backbone."""
        backbone = self._backbone()
        if backbone is None:
            return list(photos)
        return [photo for photo in photos if backbone.file.row(photo) is None]

    def short_forms(self, photos: Sequence[int]) -> tuple[list[int], Floats]:
        """Return those of `photos` that have an embedding, and the short forms [N, width]."""
        backbone = self._backbone()
        if backbone is None:
            return [], np.zeros((0, 1), np.float32)
        rows = {photo: backbone.file.row(photo) for photo in photos}
        found = {photo: row for photo, row in rows.items() if row is not None}
        return list(found), backbone.file.short(np.array(list(found.values()), np.int64))

    def tidy(self, photos: Collection[int], max_photos: int) -> bool:
        """Drop what is of no photo in `photos`, if that is much or there are more than `max_photos`
        rows; returns whether stacks have other numbers now. Raises LikenessError."""
        backbone = self._backbone()
        if backbone is None:
            return False
        file = backbone.file
        dead = len(file) - sum(1 for photo, _ in file.items if photo in photos)
        if not dead or (
            len(file) <= max_photos and (dead < _DEAD_ROWS or dead < _DEAD_SHARE * len(file))
        ):
            return False
        try:
            file.keep(photos.__contains__)
        except OSError as error:
            raise self._refused(error) from error
        backbone.finder = StackFinder(file)
        return True

    def _backbone(self) -> _Backbone | None:
        """Return the current backbone; None if no embedding of it is known."""
        if self._current in self._open:
            return self._open[self._current]
        for folder in self._folders():
            name, _, size = folder.name.rpartition("-")
            if name == self._current:
                return self._opened(name, int(size))
        return None

    def _opened(self, name: str, size: int) -> _Backbone:
        if name in self._open and self._open[name].file.size == size:
            return self._open[name]
        folder = self._folder / f"{name}-{size}"
        try:
            make_private_folder(self._folder)
            self._open[name] = _Backbone(EmbeddingFile(folder, size))
        except Timeout:
            raise LikenessError(
                tr("Photos are compared by another window of this workspace."),
                tr("Use that one, or close it and open this window again."),
            ) from None
        except OSError as error:
            raise self._refused(error) from error
        return self._open[name]

    def _folders(self) -> list[Path]:
        """Return the folders of backbones, the one that was used last first."""
        found: dict[Path, int] = {}
        with contextlib.suppress(OSError):
            for folder in self._folder.iterdir():
                if folder.name.rpartition("-")[2].isdecimal() and folder.is_dir():
                    times = [each.stat().st_mtime_ns for each in folder.glob("index-*")]
                    found[folder] = max(times, default=0)
        return sorted(found, key=lambda folder: -found[folder])

    def _name(self, model: str, version: int) -> str:
        """Return a name that the backbone of a version alone has."""
        if (model, version) not in self._names:
            facts: list[object] = [model, version]
            try:
                card = self._repository.version(model, version).card()
            except ModelError:  # removed, or on another machine: alike only within the version
                _log.info("The backbone of %s v%d is not known.", model, version)
            else:
                backbone = card.backbone or model
                facts = [backbone, card.fine_tuned_in, card.input_side, card.preprocessing]
            name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
            self._names[model, version] = name
        return self._names[model, version]

    def _refused(self, error: OSError) -> LikenessError:
        return storage_error(error, self._folder, tr("Photos cannot be compared"), LikenessError)


def _changed(file: EmbeddingFile, first: int) -> list[PhotoStack]:
    """Return the photos of stacks that rows from `first` on belong to, if there are others."""
    changed: dict[int, int] = {}
    for row in range(first, len(file)):
        cover, photo = file.cover(row), file.key(row)
        if photo is not None and cover != row:
            changed[photo] = 1 + cover
            if (first_photo := file.key(cover)) is not None:
                changed[first_photo] = 1 + cover
        elif photo is not None:
            changed[photo] = 0  # of another stack before
    return [PhotoStack(*each) for each in changed.items()]
