"""Which backbone a version has, so that embeddings of photos can be kept for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from backend.training.head import ServableGraph
from serving.errors import ModelError
from serving.models.repository import Version
from serving.tf.names import SAVED_MODEL_FILE

_MAX_GRAPH_BYTES = 2**28
"""Of a version that is read here; training embeds the photos of larger ones by itself."""


class Backbones:
    """Hashes of backbones, each read once a version, since versions never change."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int], str] = {}
        self._reading = asyncio.Lock()

    async def hash_of(self, version: Version) -> str:
        """Return the hash under which embeddings of a version are cached; empty for none.

        None has a version without a head that could learn, and one that is too large to be
        read here.
        """
        async with self._reading:
            return await asyncio.to_thread(self._hash_of, version.path)

    def _hash_of(self, folder: Path) -> str:
        try:
            state = (folder / SAVED_MODEL_FILE).stat()
            key = (folder, state.st_ino)
            if key not in self._known:
                small = state.st_size <= _MAX_GRAPH_BYTES
                self._known[key] = ServableGraph(folder).backbone_hash() if small else ""
            return self._known[key]
        except (ModelError, OSError):
            return ""
