"""Embeddings kept from run to run, so that only new images have to be embedded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from backend.training.head import Floats
from serving.files import write_aside


class EmbeddingCache:
    """Embeddings by image hash, in one file for each backbone that made them."""

    def __init__(self, folder: Path, backbone: str) -> None:
        self._path = folder / f"{backbone}.npz"
        self._known = self._read()

    def get(self, image: str) -> Floats | None:
        """Return the embedding [D] of the image, if it is known."""
        return self._known.get(image)

    def add(self, embeddings: dict[str, Floats]) -> None:
        """Add embeddings and write the file; `embeddings` maps image hashes to [D]."""
        if not embeddings:
            return
        self._known.update(embeddings)
        content = io.BytesIO()
        np.savez(
            content,
            images=np.array(list(self._known), "S64"),
            embeddings=np.stack(list(self._known.values())),
        )
        write_aside(self._path, content.getvalue())

    def _read(self) -> dict[str, Floats]:
        """Return what the file holds; a damaged one counts as empty."""
        try:
            with np.load(self._path, allow_pickle=False) as arrays:
                images = [bytes(image).decode("ascii") for image in arrays["images"]]
                return dict(zip(images, arrays["embeddings"].astype(np.float32), strict=True))
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return {}
