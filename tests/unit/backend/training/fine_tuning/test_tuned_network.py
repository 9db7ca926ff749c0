"""What is kept of a fine-tuned network, and what stands in for photos that it learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.training.fine_tuning.tuned_network import (
    TUNED_PATH,
    EmbeddingNetwork,
    TunedNetwork,
    backbone_before,
    put_network,
)
from backend.training.head import ServableGraph
from serving.errors import ModelError
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.colorblind_network import KERNEL_NODE, create_colorblind
from tests.support.tiny_network import EMBEDDING_SIZE, KERNEL

PHOTO, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    return ModelRepository(workspace.models)


@pytest.fixture
def graph(repository: ModelRepository) -> ServableGraph:
    return ServableGraph(create_colorblind(repository, "own").path)


def tuned_from(graph: ServableGraph) -> TunedNetwork:
    grey = np.repeat(KERNEL.mean(axis=2, keepdims=True), 3, axis=2)
    row = np.linspace(0, 1, EMBEDDING_SIZE, dtype=np.float32)
    return TunedNetwork(
        graph.backbone_hash(), {KERNEL_NODE: grey}, {KERNEL_NODE: KERNEL}, {PHOTO: row}
    )


def test_it_is_written_and_read(graph: ServableGraph, tmp_path: Path) -> None:
    tuned = tuned_from(graph)
    tuned.write(tmp_path / "run" / "tuned.npz")
    found = TunedNetwork.read(tmp_path / "run" / "tuned.npz")
    assert found.backbone == tuned.backbone
    assert np.array_equal(found.before[KERNEL_NODE], tuned.before[KERNEL_NODE])
    assert np.array_equal(found.weights[KERNEL_NODE], KERNEL)
    assert np.allclose(found.embeddings[PHOTO], tuned.embeddings[PHOTO], atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\x03\x04"])
def test_a_damaged_one_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tuned.npz").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        TunedNetwork.read(tmp_path / "tuned.npz")


def test_a_tuned_network_is_another_backbone(graph: ServableGraph) -> None:
    before = graph.backbone_hash()
    tuned = tuned_from(graph)
    put_network(graph, tuned)
    assert graph.backbone_hash() != before
    # Once more, as when a version of the tuned network is fine-tuned again.
    put_network(graph, tuned)
    assert backbone_before(graph, tuned.before) == before


def test_weights_of_another_network_are_refused(graph: ServableGraph) -> None:
    tuned = tuned_from(graph)
    with pytest.raises(ModelError, match="another version was promoted"):
        put_network(graph, replace(tuned, before={KERNEL_NODE: KERNEL}))
    with pytest.raises(ModelError, match="cannot be read"):
        put_network(graph, replace(tuned, before={"no such node": KERNEL}))


def test_photos_that_were_learned_from_have_embeddings_of_a_network_that_did_not(
    repository: ModelRepository, tmp_path: Path
) -> None:
    version = create_colorblind(repository, "own")
    graph = ServableGraph(version.path)
    cache = EmbeddingNetwork.of(version.path, graph, EMBEDDING_SIZE).cache(tmp_path)
    cache.add({image: np.ones(EMBEDDING_SIZE, np.float32) for image in (PHOTO, OTHER)})
    tuned = tuned_from(graph)
    tuned.write(version.path / TUNED_PATH)
    cache = EmbeddingNetwork.of(version.path, graph, EMBEDDING_SIZE).cache(tmp_path)
    found, other = cache.get(PHOTO), cache.get(OTHER)
    assert found is not None
    assert np.allclose(found, tuned.embeddings[PHOTO], atol=1e-3)
    assert other is not None
    assert (other == 1).all()
