"""The network of the version that was checked last, kept loaded for the next training run.

Learning replaces the head alone, unless a person fine-tunes the network, so that most versions of
a model, and all models of the same backbone, embed photos with the same network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.training.fine_tuning.tuned_network import EmbeddingNetwork
from backend.training.loaded_version import LoadedVersion


class WarmBackbone:
    """At most one loaded version; loading it takes a second."""

    def __init__(self, keeps: bool) -> None:
        """Without `keeps` every version is closed after its use."""
        self._keeps = keeps
        self._backbone = ""
        self._version: LoadedVersion | None = None

    @contextmanager
    def loaded(self, network: EmbeddingNetwork) -> Iterator[LoadedVersion]:
        """Yield a version with this network: the one that is kept, or that of its folder."""
        if self._version is not None and self._backbone == network.backbone:
            yield self._version
        elif self._keeps:
            version = LoadedVersion(network.folder, network.learned_from)
            self._keep(version, network.backbone)
            yield version
        else:
            with LoadedVersion(network.folder, network.learned_from) as version:
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
