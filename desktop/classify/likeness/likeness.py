"""What is known about the likeness of photos; no Qt, and NumPy only on its thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from desktop.classify.gallery import Gallery
from desktop.classify.history import MAX_PHOTOS
from desktop.classify.likeness.stacks import photo_hash
from desktop.classify.photo import Photo
from serving.predict.prediction import Prediction

if TYPE_CHECKING:
    from desktop.classify.likeness.embedding_file import Floats
    from desktop.classify.likeness.worker import LikenessWorker

T = TypeVar("T")

_AT_ONCE = 64
"""Embeddings that are compared in one step: the next request waits for that long."""
_MAX_WAITING = 4096
"""Embeddings, of 5 kB each, that wait for the thread; of more, the oldest are left out."""
_MAX_ROWS = MAX_PHOTOS + MAX_PHOTOS // 10
"""Rows in a file, after which those of photos that left the gallery are dropped."""

OnStacks = Callable[[Sequence[tuple[int, int]], bool], object]
"""Gets photos by their hashes with the numbers of their stacks, 0 for none; and whether these
are all that there are, instead of changes."""


class Offered(NamedTuple):
    """A photo that was just answered."""

    photo: int
    """The hash of its path."""
    model: str
    version: int
    embedding: bytes
    """Little-endian float32 [D]."""


class Likeness:
    """Keeps the embeddings of answered photos, and compares photos of the gallery.

    Methods that compare raise LikenessError.
    """

    def __init__(self, folder: Path, models: Path, gallery: Gallery, on_stacks: OnStacks) -> None:
        """`folder` has the embeddings, `models` is the model repository."""
        self._folder = folder
        self._models = models
        self._gallery = gallery
        self._on_stacks = on_stacks
        self._thread = ThreadPoolExecutor(1, "likeness")
        self._worker: LikenessWorker | None = None
        self._waiting: deque[tuple[int, Prediction]] = deque(maxlen=_MAX_WAITING)
        self._key_of: dict[int, str] = {}
        """The keys of the photos in the gallery, by their hashes."""
        self.photos_added(0, gallery.photos, restored=True)
        gallery.subscribe(self)

    @property
    def has_waiting(self) -> bool:
        """Whether there are embeddings that are not kept yet."""
        return bool(self._waiting)

    def offer(self, path: Path, prediction: Prediction) -> None:
        """Take the answer of a photo, with its embedding if there is one; `write` keeps it."""
        if prediction.embedding:
            self._waiting.append((photo_hash(str(path)), prediction))

    async def write(self) -> None:
        """Keep what was offered, and find its stacks."""
        while self._waiting:
            batch: list[Offered] = []
            while self._waiting and len(batch) < _AT_ONCE:
                photo, answer = self._waiting.popleft()
                batch.append(Offered(photo, answer.model, answer.version, answer.embedding or b""))
            changed = await self._run(partial(_add, batch))
            if changed:
                self._on_stacks(changed, False)

    async def load(self) -> None:
        """Read the embeddings of the backbone that was used last."""
        if self._folder.is_dir():
            self._on_stacks(await self._run(lambda worker: worker.use_latest()), True)

    async def use(self, model: str, version: int) -> None:
        """Compare photos by what the backbone of this version sees."""
        stacks = await self._run(lambda worker: worker.use(model, version))
        if stacks is not None:
            self._on_stacks(stacks, True)

    async def tidy(self) -> None:
        """Drop embeddings of photos that are not in the gallery, if they are many. To be called
        once the whole history is in the gallery."""
        photos = frozenset(self._key_of)
        if await self._run(lambda worker: worker.tidy(photos, _MAX_ROWS)):
            self._on_stacks(await self._run(lambda worker: worker.stacks()), True)

    async def similar(self, key: str, count: int) -> list[str] | None:
        """Return the keys of the photos of the gallery most like the one with `key`, the most
        similar first.

        None if that photo has no embedding of the current backbone.
        """
        await self.write()
        photo = photo_hash(key)
        # More than are asked for: the file also has photos that left the gallery.
        found = await self._run(lambda worker: worker.nearest(photo, 2 * count + 50))
        if found is None:
            return None
        return self.keys(found)[:count]

    async def missing(self) -> list[str]:
        """Return the keys of the answered photos of the gallery without an embedding of the
        current backbone."""
        await self.write()
        photos = dict(self._key_of)
        without = await self._run(lambda worker: worker.without(photos))
        found = [self._gallery.photo(photos[each]) for each in without]
        return [photo.key for photo in found if photo is not None and photo.prediction is not None]

    def keys(self, photos: Iterable[int]) -> list[str]:
        """Return the keys of those photos, given by their hashes, that are in the gallery."""
        return [self._key_of[photo] for photo in photos if photo in self._key_of]

    async def short_forms(self, keys: Iterable[str]) -> tuple[list[str], Floats]:
        """Return those of `keys` whose photos have an embedding, and its short form, float32
        [N, width]."""
        await self.write()
        photos = {photo_hash(key): key for key in keys}
        found, forms = await self._run(lambda worker: worker.short_forms(list(photos)))
        return [photos[each] for each in found], forms

    async def close(self) -> None:
        """Keep what was offered last; raises LikenessError."""
        try:
            await self.write()
        finally:
            if self._worker is not None:
                await self._run(lambda worker: worker.close())
            self._thread.shutdown()

    def photos_added(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        self._key_of.update((photo_hash(photo.key), photo.key) for photo in photos)

    def photo_changed(self, row: int, photo: Photo) -> None:
        """Its key stays the same."""

    def photos_changed(self, changes: Sequence[tuple[int, Photo]]) -> None:
        """Their keys stay the same."""

    def photos_removed(self, row: int, photos: Sequence[Photo]) -> None:
        for photo in photos:
            self._key_of.pop(photo_hash(photo.key), None)

    def states_changed(self) -> None:
        """What photos look like stays the same."""

    async def _run(self, act: Callable[[LikenessWorker], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: act(self._on_thread()))

    def _on_thread(self) -> LikenessWorker:
        if self._worker is None:
            from desktop.classify.likeness.worker import LikenessWorker

            self._worker = LikenessWorker(self._folder, self._models)
        return self._worker


def _add(batch: Sequence[Offered], worker: LikenessWorker) -> Sequence[tuple[int, int]]:
    return worker.add(batch)
