"""What a version stores of how its network was fine-tuned: `tuned.npz`.

The weights as they were before anyone tuned them, from which every fine-tuning starts, so that
many of them do not drift; and embeddings of the photos that the network learned from, each by a
network that did not learn from it. What a network makes of its own lessons says nothing about
other photos: cross-validation, thresholds and doubtful labels would all be too good. So heads are
fitted to, and measured on, the embeddings that are kept here.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.training.embeddings import EmbeddingCache
from backend.training.head import Floats, ServableGraph
from serving.errors import ModelError
from serving.models.graph_template import float_tensor
from serving.tf.tensors import Tensor

TUNED_PATH = Path("assets.extra") / "tuned.npz"
"""Where it lies inside a version folder."""


@dataclass(frozen=True)
class TunedNetwork:
    """Weights above a cut, and fair embeddings of what they learned from."""

    backbone: str
    """Hash of the network with its weights as they were before."""
    before: Mapping[str, Floats]
    """The weights of that network, by the names of their nodes."""
    weights: Mapping[str, Floats]
    """What became of them; empty in a version, whose graph has them."""
    embeddings: Mapping[str, Floats]
    """[D] of each photo that was learned from, by its hash, from a network that did not."""

    def write(self, path: Path) -> None:
        """Write it; embeddings as 16-bit floats."""
        path.parent.mkdir(parents=True, exist_ok=True)
        images = sorted(self.embeddings)
        rows = [self.embeddings[image] for image in images]
        arrays: dict[str, Any] = {
            "backbone": np.array(self.backbone),
            "images": np.array(images, "S64"),
            "embeddings": np.array(rows, np.float16),
        }
        arrays |= {f"before/{name}": value for name, value in self.before.items()}
        arrays |= {f"weights/{name}": value for name, value in self.weights.items()}
        with path.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def read(cls, path: Path) -> TunedNetwork:
        """Read a file of `write`; raises ModelError."""
        try:
            # Opened here: NumPy leaves a file open that it cannot read.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                images = [bytes(image).decode("ascii") for image in arrays["images"]]
                rows = arrays["embeddings"].astype(np.float32)
                return cls(
                    str(arrays["backbone"]),
                    _named(arrays, "before/"),
                    _named(arrays, "weights/"),
                    dict(zip(images, rows, strict=True)),
                )
        except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile) as error:
            raise ModelError(
                "What is stored of how the network was fine-tuned cannot be read.",
                "Promote another version, then train again.",
            ) from error

    @classmethod
    def of_version(cls, version_folder: Path) -> TunedNetwork | None:
        """Return what a version stores; None if its network was never fine-tuned.

        Raises ModelError.
        """
        path = version_folder / TUNED_PATH
        return cls.read(path) if path.is_file() else None


@dataclass(frozen=True)
class EmbeddingNetwork:
    """The network of a version, as far as photos are embedded with it."""

    folder: Path
    """Of the version."""
    backbone: str
    """Its hash, under which embeddings are cached."""
    size: int
    """D of the embeddings."""
    fair: Mapping[str, Floats]
    """What stands in for the embeddings of photos that it learned from."""
    learned_from: Path | None = None
    """The version that this one is made from, while it is not in the repository."""

    @classmethod
    def of(cls, folder: Path, graph: ServableGraph, size: int) -> EmbeddingNetwork:
        """Describe the network of a version in the repository; raises ModelError."""
        return cls(folder, graph.backbone_hash(), size, fair_embeddings(folder))

    def cache(self, embeddings_folder: Path) -> EmbeddingCache:
        """Return what is known of photos."""
        return EmbeddingCache(embeddings_folder, self.backbone, self.fair)


def fair_embeddings(version_folder: Path) -> Mapping[str, Floats]:
    """Return the embeddings [D] to use for photos that the network of a version learned from.

    None of them if it was not fine-tuned. Raises ModelError.
    """
    tuned = TunedNetwork.of_version(version_folder)
    return {} if tuned is None else tuned.embeddings


def put_network(graph: ServableGraph, tuned: TunedNetwork) -> None:
    """Give the graph of the live version the tuned network; raises ModelError for another one."""
    graph.set_constants(_constants(tuned.before))
    if graph.backbone_hash() != tuned.backbone:
        raise ModelError(
            "The network of the live version is not the one that was fine-tuned: another version"
            " was promoted meanwhile.",
            "Fine-tune again.",
        )
    graph.set_constants(_constants(tuned.weights))


def backbone_before(graph: ServableGraph, before: Mapping[str, Floats]) -> str:
    """Return the hash of the network with its weights as they were before it was fine-tuned."""
    graph.set_constants(_constants(before))
    return graph.backbone_hash()


def _constants(weights: Mapping[str, Floats]) -> dict[str, Tensor]:
    return {name: float_tensor(value) for name, value in weights.items()}


def _named(arrays: np.lib.npyio.NpzFile, prefix: str) -> dict[str, Floats]:
    return {
        name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)
    }
