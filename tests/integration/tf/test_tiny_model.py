"""The tiny model answers as a real one does, so that tests that use it say something."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from backend.training.head import Head
from backend.training.loaded_version import LoadedVersion
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.sample_images import drawing, painting
from tests.support.tiny_model import COLORS, install_tiny
from tests.support.tiny_network import EMBEDDING_SIZE, SIDE, embedding


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedVersion]:
    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    with LoadedVersion(install_tiny(repository).path) as loaded:
        yield loaded


def test_it_tells_colors_apart(version: LoadedVersion) -> None:
    for name, color in COLORS.items():
        classes, scores = version.predict([painting(color, seed) for seed in range(10)])
        assert {row[0].decode() for row in classes} == {name}
        assert scores[:, 0].min() > 0.9
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_its_embedding_can_be_computed_without_tensorflow(version: LoadedVersion) -> None:
    noise = io.BytesIO()
    Image.effect_noise((SIDE, SIDE), 80).convert("RGB").save(noise, "JPEG", quality=95)
    with Image.open(noise) as image:
        expected = embedding(np.asarray(image))
    np.testing.assert_allclose(version.embed([noise.getvalue()])[0], expected, atol=0.02)


def test_drawings_can_be_learned_from_its_embeddings(version: LoadedVersion) -> None:
    kinds = ("smiley", "stripes", "rings")
    centers = np.stack(
        [version.embed([drawing(kind, seed) for seed in range(12)]).mean(axis=0) for kind in kinds]
    )
    nearest = Head(2 * centers.T, -(centers**2).sum(axis=1), kinds)
    for kind in kinds:
        rows = version.embed([drawing(kind, seed) for seed in range(100, 120)])
        answers = [kinds[index] for index in nearest.logits(rows).argmax(axis=1)]
        assert answers.count(kind) >= 15


def test_without_classes_its_answers_are_empty(workspace: Workspace) -> None:
    installed = install_tiny(ModelRepository(workspace.models), "empty", {})
    with LoadedVersion(installed.path) as loaded:
        classes, scores = loaded.predict([painting("navy", 1), painting("orange", 1)])
        assert loaded.embed([painting("navy", 1)]).shape == (1, EMBEDDING_SIZE)
    assert classes.shape == scores.shape == (2, 0)


def test_it_answers_the_classes_that_a_test_chooses(workspace: Workspace) -> None:
    repository = ModelRepository(workspace.models)
    installed = install_tiny(repository, "wardrobe", {"t-shirt": "navy", "Mütze": "orange"})
    assert repository.live("wardrobe") == installed
    assert installed.card().classes == ("t-shirt", "Mütze")
    with LoadedVersion(installed.path) as loaded:
        classes, _ = loaded.predict([painting("navy", 1), painting("orange", 1)])
    assert [row[0].decode() for row in classes] == ["t-shirt", "Mütze"]
