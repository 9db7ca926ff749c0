"""The network of the version that was checked last, kept loaded for the next training run.

Learning replaces the head alone, so that every version of a model, and all models of the same
backbone, embed photos with the same network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.training.loaded_version import LoadedVersion


class WarmBackbone:
    """At most one loaded version; loading it takes a second."""

    def __init__(self, keeps: bool) -> None:
        """Without `keeps` every version is closed after its use."""
        self._keeps = keeps
        self._backbone = ""
        self._version: LoadedVersion | None = None

    @contextmanager
    def loaded(self, version_folder: Path, backbone: str) -> Iterator[LoadedVersion]:
        """Yield a version with this backbone, by its hash: the one that is kept, or that of the
        folder."""
        if self._version is not None and self._backbone == backbone:
            yield self._version
        elif self._keeps:
            version = LoadedVersion(version_folder)
            self._keep(version, backbone)
            yield version
        else:
            with LoadedVersion(version_folder) as version:
                yield version

    @contextmanager
    def checked(
        self, version_folder: Path, backbone: str, learned_from: Path
    ) -> Iterator[LoadedVersion]:
        """Yield a version that was just written, and keep it unless its backbone is kept already.

        TensorFlow has prepared the one that is kept for embedding, which takes another second.
        """
        version = LoadedVersion(version_folder, learned_from)
        kept = False
        try:
            yield version
            if self._keeps and (self._version is None or self._backbone != backbone):
                self._keep(version, backbone)
                kept = True
        finally:
            if not kept:
                version.close()

    def _keep(self, version: LoadedVersion, backbone: str) -> None:
        self.close()
        self._version, self._backbone = version, backbone

    def close(self) -> None:
        """Give back what is kept."""
        if self._version is not None:
            self._version.close()
            self._version = None
