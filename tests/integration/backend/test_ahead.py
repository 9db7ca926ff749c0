"""What a run needs is computed before it, while photos are being labelled."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.training import replay
from backend.training.embed_images import BATCH
from backend.training.embeddings import EmbeddingCache
from backend.training.head import Floats, Head, ServableGraph
from backend.training.new_version import embed_ahead, learn
from backend.training.prototypes import EMBEDDING_MEAN_PATH, Prototypes, prototypes
from backend.training.warm_backbone import WarmBackbone
from backend.training.worker import SpecFiles
from backend.training.worker_protocol import AHEAD_NAME, LabeledImage, TrainingSpec
from serving.models.repository import ModelRepository
from serving.models.staging import staged_version
from serving.models.version import Version
from serving.workspace import Workspace
from tests.support.sample_images import drawing
from tests.support.tiny_model import TINY_MODEL, install_tiny


def labelled(workspace: Workspace, kind: str, count: int) -> list[LabeledImage]:
    images = []
    for seed in range(count):
        jpeg = drawing(kind, seed)
        name = hashlib.sha256(jpeg).hexdigest()
        path = workspace.images / f"{name}.jpg"
        path.write_bytes(jpeg)
        images.append(LabeledImage(name, str(path), kind))
    return images


def ahead_spec(workspace: Workspace, base: Version) -> TrainingSpec:
    """What embeds no images ahead."""
    return TrainingSpec(
        run_id="ahead",
        base_version=base.number,
        base_folder=str(base.path),
        staging_folder="",
        embeddings_folder=str(workspace.embeddings),
        images=(),
        images_ever_labeled=(),
        only_embeds=True,
    )


def test_embeddings_and_prototypes_are_there_when_a_run_comes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[Head] = []

    def counted(head: Head, mean: Floats) -> Prototypes:
        computed.append(head)
        return prototypes(head, mean)

    monkeypatch.setattr("backend.training.replay.prototypes", counted)
    replay._kept.clear()
    repository = ModelRepository(workspace.models)
    base = install_tiny(repository)
    size = ServableGraph(base.path).head().kernel.shape[0] // 2
    np.save(base.path / EMBEDDING_MEAN_PATH, np.full(size, 0.3, np.float32))
    spec = replace(ahead_spec(workspace, base), images=tuple(labelled(workspace, "stripes", 6)))
    embed_ahead(spec, WarmBackbone(keeps=False))
    cache = EmbeddingCache(workspace.embeddings, ServableGraph(base.path).backbone_hash())
    assert all(cache.get(image.image) is not None for image in spec.images)
    assert len(computed) == 1
    with staged_version(repository, TINY_MODEL) as staged:
        result = learn(
            replace(spec, staging_folder=str(staged), only_embeds=False), lambda message: None
        )
        assert (Path(staged) / "saved_model.pb").is_file()
    assert result.learned_images == 6
    assert len(computed) == 1


def test_photos_are_embedded_ahead_once_however_fast_labels_come() -> None:
    ahead, run = f"training/{AHEAD_NAME}", "training/1/spec.json"
    spec_files = SpecFiles()
    for each in (ahead, ahead, ahead, run, ahead, run, run, ahead, ahead):
        spec_files.put(each)
    found = []
    for _ in range(4):
        found.append((spec_files.next(), spec_files.has_run()))
    assert found == [(run, True), (run, True), (run, False), (ahead, False)]


def test_what_is_embedded_ahead_makes_way_for_a_run(workspace: Workspace) -> None:
    base = install_tiny(ModelRepository(workspace.models))
    images = tuple(labelled(workspace, "stripes", 5 * BATCH))
    spec = replace(ahead_spec(workspace, base), images=images)
    backbone = ServableGraph(base.path).backbone_hash()

    def known() -> int:
        cache = EmbeddingCache(workspace.embeddings, backbone)
        return sum(cache.get(image.image) is not None for image in images)

    asked = itertools.count()
    embed_ahead(spec, WarmBackbone(keeps=False), lambda: next(asked) < 2)
    assert known() == 2 * BATCH
    assert next(asked) == 5
    embed_ahead(spec, WarmBackbone(keeps=False))
    assert known() == len(images)
