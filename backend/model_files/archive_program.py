"""`python -m backend.model_files.archive_program`: writes a version for another Servery.

It takes an ArchiveRequest and answers with what became of it; see `serving.job_program`. It reads
all embeddings of a backbone, and embeds labelled photos that have none yet.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.store.images import ImageFolder
from backend.training.embed_images import BATCH, embed_batch
from backend.training.embeddings import EmbeddingCache
from backend.training.head import Floats, ServableGraph
from backend.training.loaded_version import LoadedVersion
from backend.training.worker_protocol import StoredImage
from serving.exporting.archive import ArchivedLabel, write_archive
from serving.exporting.formats import ExportFormat, check_target
from serving.job_program import be_job
from serving.json_decode import decode
from serving.progress import Report

ARCHIVE_PROGRAM = "backend.model_files.archive_program"


@dataclass(frozen=True)
class ArchiveRequest:
    """Which version to write, with which labels, and where to."""

    version_folder: str
    target: str
    umask: int
    replace: bool
    with_photos: bool
    labels: list[ArchivedLabel]
    images_folder: str
    embeddings_folder: str


def main() -> int:
    return be_job(_handle)


def _handle(raw: dict[str, Any], report: Report) -> Mapping[str, Any]:
    request = decode(ArchiveRequest, raw)
    version_folder, target = Path(request.version_folder), Path(request.target)
    kind = ExportFormat.SERVERY
    check_target(target, kind, version_folder.parent.parent, replace=request.replace)
    report(0, 100, "Looking at the labels")
    folder = ImageFolder(Path(request.images_folder))
    images = list(dict.fromkeys(label.image for label in request.labels))
    found = {image: folder.find(image) for image in images}
    photos = {image: path for image, path in found.items() if path is not None}
    embeddings = _embeddings(request, images, photos, report)
    written_photos = photos if request.with_photos else {}
    # Not before: the cache of embeddings stays the person's alone.
    os.umask(request.umask)
    size = write_archive(version_folder, target, request.labels, embeddings, written_photos, report)
    return {
        "bytes": size,
        "labels": len(request.labels),
        "photos": len(written_photos),
        "without_embedding": sum(image not in embeddings for image in images),
    }


def _embeddings(
    request: ArchiveRequest,
    images: Sequence[str],
    photos: Mapping[str, Path],
    report: Report,
) -> dict[str, Floats]:
    """Return the embeddings of the labelled photos by their hashes, as far as there are any."""
    version_folder = Path(request.version_folder)
    backbone = ServableGraph(version_folder).backbone_hash()
    cache = EmbeddingCache(Path(request.embeddings_folder), backbone)
    missing = [
        StoredImage(image, str(photos[image]))
        for image in images
        if cache.get(image) is None and image in photos
    ]
    if missing:
        with LoadedVersion(version_folder) as version:
            for start in range(0, len(missing), BATCH):
                text = f"Embedding photo {start + 1:,} of {len(missing):,}"
                report(80 * start // len(missing), 100, text)
                cache.add(embed_batch(version, list(missing[start : start + BATCH])))
    known = ((image, cache.get(image)) for image in images)
    return {image: row for image, row in known if row is not None}


if __name__ == "__main__":
    exit_code = main()
    # TensorFlow's threads would take part in the end of the interpreter.
    os._exit(exit_code)
