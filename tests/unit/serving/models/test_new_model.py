"""A model of a person's own, on the network of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.training.head import ServableGraph
from backend.training.loaded_version import LoadedVersion
from serving.errors import ModelError
from serving.models.model_names import ModelNameError
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.version import Version
from tests.support.former_version import write_former_taught_version
from tests.support.former_workspace import MODEL as FORMER_MODEL
from tests.support.sample_images import drawing, gradient, painting
from tests.support.tiny_model import COLORS, TINY_MODEL, install_tiny


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    repository = ModelRepository(tmp_path / "models")
    install_tiny(repository)
    return repository


def test_without_classes_it_sees_as_the_backbone_does_and_answers_nothing(
    repository: ModelRepository,
) -> None:
    version = create_from_backbone(repository, " my  things ", TINY_MODEL, keeps_classes=False)
    assert (version.model, version.number) == ("my things", 1)
    assert repository.live("my things") == version
    photo = painting("red", 1)
    with LoadedVersion(version.path) as new, LoadedVersion(repository.live(TINY_MODEL).path) as old:
        classes, scores = new.predict([photo, photo])
        assert classes.shape == scores.shape == (2, 0)
        np.testing.assert_array_equal(new.embed([photo]), old.embed([photo]))
    card = version.card()
    assert (card.name, card.classes, card.accuracy) == ("my things", (), None)
    settings = repository.settings("my things")
    assert (settings.backbone, settings.keeps_backbone_classes) == (TINY_MODEL, False)
    assert repository.served().names() == (TINY_MODEL,)


def test_with_the_backbones_classes_it_answers_as_the_backbone_does(
    repository: ModelRepository,
) -> None:
    source = repository.live(TINY_MODEL).path / "assets.extra"
    for name in ("learned.npz", "report.json", "answers.json", "features.npz", "LICENSE"):
        (source / name).write_text("text")
    version = create_from_backbone(repository, "mine", TINY_MODEL, keeps_classes=True)
    assert version.card().classes == tuple(COLORS)
    assert version.card().name == "mine"
    with LoadedVersion(version.path) as loaded:
        assert loaded.predict([painting("red", 1)])[0][0, 0] == b"red"
    # What the backbone learned, and how well, is not true of the new model; its licence is.
    assert sorted(path.name for path in (version.path / "assets.extra").iterdir()) == [
        "LICENSE",
        "servery.json",
        "servery.sha256",
        "tf_serving_warmup_requests",
    ]
    assert repository.version("mine", 1).changed_files() == []
    assert repository.settings("mine").keeps_backbone_classes


def test_a_built_in_backbone_need_not_be_a_model_of_the_workspace(
    repository: ModelRepository,
) -> None:
    version = create_from_backbone(repository, "mine", "efficientnet-lite0", keeps_classes=False)
    assert repository.models() == ["mine", TINY_MODEL]
    assert version.card().backbone == "efficientnet-lite0"
    with LoadedVersion(version.path) as loaded:
        assert loaded.predict([gradient()])[1].shape == (1, 0)
        assert loaded.embed([gradient()]).shape == (1, 1280)


def test_what_cannot_be_made_leaves_nothing(repository: ModelRepository) -> None:
    with pytest.raises(ModelNameError):
        create_from_backbone(repository, "a/b", TINY_MODEL, keeps_classes=False)
    with pytest.raises(ModelError, match=f"There is a model called {TINY_MODEL} already"):
        create_from_backbone(repository, TINY_MODEL.upper(), TINY_MODEL, keeps_classes=False)
    with pytest.raises(ModelError, match="There is no model unicorns to build on"):
        create_from_backbone(repository, "mine", "unicorns", keeps_classes=False)
    (repository.live(TINY_MODEL).path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match=f"Model {TINY_MODEL} gives no embedding to learn from"):
        create_from_backbone(repository, "mine", TINY_MODEL, keeps_classes=True)
    assert repository.models() == [TINY_MODEL]
    assert not (repository.root / "mine").exists()


@pytest.fixture
def former(repository: ModelRepository) -> Version:
    """The live version of a model that Servery 0.1 taught stripes."""
    folder = repository.root / FORMER_MODEL / "1"
    photos = [drawing("stripes", seed) for seed in range(12)]
    write_former_taught_version(folder, FORMER_MODEL, {"stripes": photos})
    return repository.promote(FORMER_MODEL, 1)


def test_on_a_network_of_servery_0_1_it_gets_the_head_of_today(
    repository: ModelRepository, former: Version
) -> None:
    empty = create_from_backbone(repository, "empty", FORMER_MODEL, keeps_classes=False)
    full = create_from_backbone(repository, "full", FORMER_MODEL, keeps_classes=True)
    photos = [painting("red", 1), drawing("stripes", 100)]
    with (
        LoadedVersion(former.path) as old,
        LoadedVersion(empty.path) as nothing,
        LoadedVersion(full.path) as same,
    ):
        classes, scores = nothing.predict(photos)
        assert classes.shape == scores.shape == (2, 0)
        embeddings = old.embed(photos)
        np.testing.assert_array_equal(nothing.embed(photos), embeddings)
        expected, actual = old.predict(photos), same.predict(photos)
        assert actual[0].tolist() == expected[0].tolist()
        np.testing.assert_allclose(actual[1], expected[1], atol=1e-6)
    for version in (empty, full):
        head = ServableGraph(version.path).head()
        assert head.reads_unit_embeddings(embeddings.shape[1])
    assert not ServableGraph(former.path).head().reads_unit_embeddings(embeddings.shape[1])
