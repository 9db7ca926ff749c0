"""The starter model: small in the project, whole in a repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.errors import ModelError
from serving.models.repository import ModelRepository
from serving.models.starter.halved import halve, widen
from serving.models.starter.install import (
    HALVED_NAME,
    RESOURCES,
    STARTER_MODEL,
    install_starter,
)
from serving.tf.messages import saved_model_pb2, types_pb2


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "models")


def test_weights_take_at_most_four_megabytes() -> None:
    assert (RESOURCES / HALVED_NAME).stat().st_size <= 4_000_000


def test_its_card_says_what_was_measured(repository: ModelRepository) -> None:
    card = install_starter(repository).card()
    assert len(card.classes) == 10
    assert card.accuracy is not None
    assert card.accuracy >= 0.91
    assert card.metrics["measured_images"] == 10_000
    cycles = card.training["settings"]["cycles"]
    assert len(card.training["log"]) == sum(cycle["epochs"] for cycle in cycles)


def test_it_is_installed_once_and_never_changes_what_is_live(repository: ModelRepository) -> None:
    version = install_starter(repository)
    assert (version.model, version.number) == (STARTER_MODEL, 1)
    written = (version.path / "saved_model.pb").stat().st_mtime_ns
    assert install_starter(repository) == version
    assert (version.path / "saved_model.pb").stat().st_mtime_ns == written


def test_an_installed_graph_holds_full_precision(repository: ModelRepository) -> None:
    graph = (install_starter(repository).path / "saved_model.pb").read_bytes()
    message = saved_model_pb2.SavedModel.FromString(graph)
    kinds = [
        node.attr["dtype"].type
        for node in message.meta_graphs[0].graph_def.node
        if node.op == "Const"
    ]
    assert types_pb2.DT_FLOAT in kinds
    assert types_pb2.DT_HALF not in kinds
    assert widen(halve(graph)) == widen(halve(widen(halve(graph))))


def test_missing_resources_are_a_sentence(repository: ModelRepository, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="The starter model is missing"):
        install_starter(repository, tmp_path / "nowhere")
    assert repository.versions(STARTER_MODEL) == []
