"""The model repository: versions appear whole, and one of them is live."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.errors import ModelError
from serving.models.card import CARD_PATH, ModelCard
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "models")


def add(repository: ModelRepository, model: str = "pets") -> int:
    with staged_version(repository, model) as folder:
        (folder / "saved_model.pb").write_bytes(b"graph")
        (folder / CARD_PATH).parent.mkdir()
        (folder / CARD_PATH).write_text(ModelCard(model, ("cat", "dog")).to_json())
        return commit_version(repository, model, folder).number


def test_an_empty_repository_has_nothing(repository: ModelRepository) -> None:
    assert repository.models() == []
    assert repository.versions("pets") == []
    with pytest.raises(ModelError, match="No version of model pets is live"):
        repository.live("pets")


def test_versions_are_numbered_in_order(repository: ModelRepository) -> None:
    assert [add(repository) for _ in range(3)] == [1, 2, 3]
    assert [version.number for version in repository.versions("pets")] == [1, 2, 3]
    assert repository.models() == ["pets"]
    assert repository.version("pets", 2).card().classes == ("cat", "dog")


def test_a_version_that_is_not_adopted_never_existed(repository: ModelRepository) -> None:
    with staged_version(repository, "pets") as folder:
        (folder / "saved_model.pb").write_bytes(b"half a gr")
    assert repository.versions("pets") == []
    assert list((repository.root / "pets").iterdir()) == []


def test_other_folders_are_ignored(repository: ModelRepository) -> None:
    add(repository)
    for name in ("notes", "2.bak", ".staging-1", "7"):
        (repository.root / "pets" / name).mkdir()
    assert [version.number for version in repository.versions("pets")] == [1]


def test_promote_and_roll_back(repository: ModelRepository) -> None:
    add(repository)
    add(repository)
    repository.promote("pets", 2)
    assert repository.live("pets").number == 2
    repository.promote("pets", 1)
    assert repository.live("pets").number == 1


def test_a_version_that_does_not_exist_cannot_be_promoted(repository: ModelRepository) -> None:
    add(repository)
    repository.promote("pets", 1)
    with pytest.raises(ModelError, match="has no version 9"):
        repository.promote("pets", 9)
    assert repository.live("pets").number == 1


def test_a_damaged_config_is_reported_and_repaired_by_promoting(
    repository: ModelRepository,
) -> None:
    add(repository)
    repository.live_config_path("pets").write_text("model_config_list {")
    with pytest.raises(ModelError, match="does not say which version is live"):
        repository.live("pets")
    repository.promote("pets", 1)
    assert repository.live("pets").number == 1


def test_a_card_survives_the_round_trip_and_unknown_fields() -> None:
    card = ModelCard("pets", ("cat",), metrics={"accuracy": 0.5})
    assert ModelCard.from_json(card.to_json()) == card
    assert card.accuracy == 0.5
    assert ModelCard.from_json('{"name": "x", "classes": ["a"], "later": 1}').classes == ("a",)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x"}', "not json"])
def test_an_invalid_card_is_a_model_error(text: str) -> None:
    with pytest.raises(ModelError):
        ModelCard.from_json(text)


def test_a_version_without_a_card_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no model card"):
        ModelCard.read(tmp_path / "pets" / "3")
