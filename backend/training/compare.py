"""The program that asks two versions about the same photos; TensorFlow stays in it.

`python -m backend.training.compare` reads a CompareSpec from its standard input and
writes, as one JSON value, a list with an answer of each version for each photo, or
`{"error": ..., "advice": ...}`.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from backend.training.embeddings import EmbeddingCache
from backend.training.head import Floats, ServableGraph, softmax
from backend.training.loaded_version import LoadedVersion
from serving.errors import ModelError, ServeryError

BATCH = 32


@dataclass(frozen=True)
class CompareSpec:
    """Versions by their folders, and photos by the SHA-256 and the path of their JPEG files."""

    version_folders: tuple[str, ...]
    images: tuple[tuple[str, str], ...]
    embeddings_folder: str
    """Where training keeps embeddings; only read here."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> CompareSpec:
        raw = json.loads(text)
        images = tuple((image, path) for image, path in raw["images"])
        return cls(tuple(raw["version_folders"]), images, raw["embeddings_folder"])


Answer = tuple[str, float]
"""The best class and its score; an empty name from a version without classes."""


def compare(spec: CompareSpec) -> list[list[Answer]]:
    """Return, for each photo, the answer of each version; raises ModelError."""
    embedded: dict[str, dict[str, Floats]] = {}
    columns = [_answers(Path(folder), spec, embedded) for folder in spec.version_folders]
    return [list(row) for row in zip(*columns, strict=True)]


def _answers(
    folder: Path, spec: CompareSpec, embedded: dict[str, dict[str, Floats]]
) -> list[Answer]:
    try:
        graph = ServableGraph(folder)
    except ModelError:  # no head that could be computed here
        return _predicted(folder, spec)
    head = graph.head()
    if not head.classes:
        return [("", 0.0)] * len(spec.images)
    backbone = graph.backbone_hash()
    if backbone not in embedded:
        embedded[backbone] = _embeddings(folder, backbone, spec)
    rows = np.stack([embedded[backbone][image] for image, _ in spec.images])
    scores = softmax(head.logits(rows))
    best = scores.argmax(axis=1)
    return [
        (head.classes[index], float(row[index])) for row, index in zip(scores, best, strict=True)
    ]


def _embeddings(folder: Path, backbone: str, spec: CompareSpec) -> dict[str, Floats]:
    cache = EmbeddingCache(Path(spec.embeddings_folder), backbone)
    known = {image: cache.get(image) for image, _ in spec.images}
    found = {image: row for image, row in known.items() if row is not None}
    missing = [(image, path) for image, path in spec.images if image not in found]
    if missing:
        with LoadedVersion(folder) as version:
            for batch in _batches(missing):
                rows = version.embed([Path(path).read_bytes() for _, path in batch])
                found.update(zip((image for image, _ in batch), rows, strict=True))
    return found


def _predicted(folder: Path, spec: CompareSpec) -> list[Answer]:
    answers: list[Answer] = []
    with LoadedVersion(folder) as version:
        for batch in _batches(list(spec.images)):
            classes, scores = version.predict([Path(path).read_bytes() for _, path in batch])
            answers += [
                (names[0].decode(), float(row[0]))
                for names, row in zip(classes, scores, strict=True)
            ]
    return answers


def _batches(images: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    return [images[start : start + BATCH] for start in range(0, len(images), BATCH)]


def main() -> int:
    # TensorFlow's C code prints to descriptor 1 too: keep a copy of it for the result alone.
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code = 0
    try:
        content: object = compare(CompareSpec.from_json(sys.stdin.read()))
    except ServeryError as error:
        content, code = {"error": error.what, "advice": error.advice}, 1
    json.dump(content, result)
    result.flush()
    return code


if __name__ == "__main__":
    exit_code = main()
    # TensorFlow takes about a second to free what the operating system frees anyway.
    os._exit(exit_code)
