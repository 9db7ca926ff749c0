"""Graphs of Servery 0.1 can carry a head without classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.training.loaded_version import LoadedVersion
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.spare_class import with_spare_class
from serving.tf.names import SAVED_MODEL_FILE
from tests.support.former_version import write_former_version
from tests.support.sample_images import painting
from tests.support.tiny_model import write_tiny


def test_a_former_graph_answers_as_before(tmp_path: Path) -> None:
    for name in ("before", "after"):
        write_former_version(tmp_path / name, "pets")
    graph = tmp_path / "after" / SAVED_MODEL_FILE
    former = graph.read_bytes()
    graph.write_bytes(with_spare_class(former))
    assert graph.read_bytes() != former
    photos = [painting("red", 1), painting("blue", 2)]
    with LoadedVersion(tmp_path / "before") as before, LoadedVersion(tmp_path / "after") as after:
        for one, other in zip(before.predict(photos), after.predict(photos), strict=True):
            np.testing.assert_array_equal(one, other)
    assert with_spare_class(graph.read_bytes()) == graph.read_bytes()


def test_a_graph_of_today_is_left_as_it_is(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    graph = (tmp_path / SAVED_MODEL_FILE).read_bytes()
    assert with_spare_class(graph) is graph


def test_a_model_without_classes_on_a_former_network_answers_none(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path / "models")
    with repository.staged("old") as staged:
        write_former_version(staged, "old")
        repository.adopt("old", staged)
    repository.promote("old", 1)
    version = create_from_backbone(repository, "mine", "old", keeps_classes=False)
    photos = [painting("red", 1)] * 2
    with LoadedVersion(version.path) as loaded:
        assert loaded.predict(photos)[1].shape == (2, 0)
        assert len(loaded.embed(photos)) == 2
