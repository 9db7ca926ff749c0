"""Says in a spec file what a training run learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.store.images import ImageFolder
from backend.store.labels import LabelSnapshot
from backend.training.worker_protocol import LabeledImage, StoredImage, TrainingSpec
from serving.models.version import Version
from serving.workspace import Workspace


def training_spec(
    workspace: Workspace,
    images: ImageFolder,
    run_id: str,
    base: Version,
    staged: Path,
    labels: LabelSnapshot,
    unlabelled: Sequence[str] = (),
) -> TrainingSpec:
    """Return the spec of a run that learns `labels` for the model of `base`, into `staged`."""

    def stored(hashes: Sequence[str]) -> tuple[StoredImage, ...]:
        return tuple(StoredImage(image, str(images.path(image))) for image in hashes)

    return TrainingSpec(
        run_id=run_id,
        base_version=base.number,
        base_folder=str(base.path),
        staging_folder=str(staged),
        embeddings_folder=str(workspace.embeddings),
        images_folder=str(images.root),
        images=tuple(
            LabeledImage(
                label.image,
                str(images.path(label.image)),
                label.class_name,
                label.image in labels.held_out,
            )
            for label in labels.current
        ),
        images_ever_labeled=tuple(sorted(labels.images_ever_labeled)),
        unlabelled=stored(unlabelled),
        none=stored([label.image for label in labels.none]),
    )
