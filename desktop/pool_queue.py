"""Photos that were classified, until the backend has them for its pool."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from serving.predict.prediction import Prediction

MAX_WAITING = 5_000
"""Photos; of more, the oldest are left out. The pool of a model holds no more either."""


@dataclass(frozen=True)
class PoolEntry:
    """A photo to be passed on: who answered it, and the embedding if that came along."""

    model: str
    version: int
    embedding: bytes


class PoolQueue:
    """First come, first served; of a photo that is answered again, the newest answer counts.

    It keeps paths and embeddings, of 5 kB each, and no photos.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[Path, PoolEntry] = OrderedDict()
        self._not_empty = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    def offer(self, path: Path, prediction: Prediction) -> None:
        """Add a photo that was just answered."""
        self._entries.pop(path, None)
        self._entries[path] = PoolEntry(
            prediction.model, prediction.version, prediction.embedding or b""
        )
        while len(self._entries) > MAX_WAITING:
            self._entries.popitem(last=False)
        self._not_empty.set()

    async def first(self) -> tuple[Path, PoolEntry]:
        """Wait until there is a photo, and return the first one, which stays where it is."""
        while not self._entries:
            self._not_empty.clear()
            await self._not_empty.wait()
        return next(iter(self._entries.items()))

    def remove(self, path: Path, entry: PoolEntry) -> None:
        """Take a photo out, unless it has been answered again since."""
        if self._entries.get(path) is entry:
            del self._entries[path]

    def clear(self) -> None:
        self._entries.clear()
