"""Damaged files of the model repository change nothing that is served, and are kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from serving.errors import ModelError
from serving.models.card import CARD_PATH, ModelCard
from serving.models.checksums import CHECKSUMS_PATH
from serving.models.faults import FAULTS_NAME, ModelFaults, VersionFault
from serving.models.pruning import prune, sweep_models
from serving.models.repository import SETTINGS_NAME, ModelRepository
from serving.models.served import ServedModels
from serving.models.serving_config import MONITORING_NAME, pinned_versions
from serving.models.staging import commit_version, staged_version
from serving.models.version_trust import trust_version
from serving.tf.trust import TRUSTED_NAME, read_trusted
from tests.support.damage import DAMAGES, Damage

every_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    repository = ModelRepository(tmp_path / "models")
    for model in ("pets", "waste"):
        for _ in range(2):
            with staged_version(repository, model) as staged:
                (staged / CARD_PATH).parent.mkdir()
                (staged / CARD_PATH).write_text(ModelCard(model, ("cat", "dog")).to_json())
                (staged / "saved_model.pb").write_bytes(b"graph")
                commit_version(repository, model, staged)
        repository.promote(model, 2)
    repository.promote("pets", 1)
    repository.change_served(lambda served: ServedModels("waste", ("pets",)))
    return repository


def kept(repository: ModelRepository) -> int:
    damaged = repository.root.parent / "damaged"
    return len(list(damaged.iterdir())) if damaged.is_dir() else 0


@every_damage
def test_a_damaged_list_of_served_models_changes_nothing_that_is_served(
    repository: ModelRepository, damage: Damage
) -> None:
    assert repository.served().current == "waste"
    damage(repository.root / "served.json")
    for reader in (repository, ModelRepository(repository.root)):
        assert reader.served() == ServedModels("waste", ("pets",))
        reader.refresh_config()
        assert pinned_versions(repository.config_path) == {"waste": 2, "pets": 1}
    repository.change_served(lambda served: replace(served, also=()))
    assert ModelRepository(repository.root).served() == ServedModels("waste")
    assert kept(repository) == 1


@every_damage
def test_a_damaged_file_of_the_live_version_leaves_that_live(
    repository: ModelRepository, damage: Damage
) -> None:
    damage(repository.live_config_path("pets"))
    assert repository.live("pets").number == 1
    repository.refresh_config()
    assert pinned_versions(repository.config_path) == {"waste": 2, "pets": 1}
    repository.promote("pets", 2)
    assert repository.live("pets").number == 2
    assert kept(repository) == 1


@every_damage
def test_a_damaged_list_for_the_servers_is_written_again(
    repository: ModelRepository, damage: Damage
) -> None:
    damage(repository.config_path)
    damage(repository.root / MONITORING_NAME)
    repository.refresh_config()
    assert pinned_versions(repository.config_path) == {"waste": 2, "pets": 1}
    assert "prometheus" in (repository.root / MONITORING_NAME).read_text()
    assert kept(repository) >= 1


@every_damage
def test_damaged_settings_of_a_model_count_as_defaults_and_are_kept(
    repository: ModelRepository, damage: Damage
) -> None:
    path = repository.root / "pets" / SETTINGS_NAME
    damage(path)
    assert repository.settings("pets").keep_versions == 10
    repository.change_settings("pets", lambda settings: replace(settings, pinned=(1,)))
    assert ModelRepository(repository.root).settings("pets").pinned == (1,)
    assert prune(repository, "pets") == []


@every_damage
def test_a_damaged_card_is_an_error_with_a_sentence(
    repository: ModelRepository, damage: Damage
) -> None:
    damage(repository.version("pets", 1).path / CARD_PATH)
    with pytest.raises(ModelError, match="card of version 1 of pets cannot be read"):
        repository.version("pets", 1).card()


@pytest.mark.parametrize(
    "card",
    [
        '{"name": "x", "classes": "ab"}',
        '{"name": "x", "classes": [1, 2]}',
        '{"name": "x", "classes": null}',
        '{"name": "x", "classes": ["a"], "metrics": []}',
        '{"name": "x", "classes": ["a"], "metrics": {"accuracy": []}}',
        '{"name": "x", "classes": ["a"], "metrics": {"accuracy": "0.9"}}',
        '{"name": "x", "classes": ["a"], "metrics": {"accuracy_error": {}}}',
        '{"name": "x", "classes": ["a"], "other_names": {"a": "b"}}',
        '{"name": ["x"], "classes": ["a"]}',
    ],
)
def test_a_card_of_the_wrong_types_is_no_card(card: str) -> None:
    with pytest.raises(ModelError):
        ModelCard.from_json(card)


@every_damage
def test_a_damaged_list_of_checksums_counts_as_a_changed_file(
    repository: ModelRepository, damage: Damage
) -> None:
    assert repository.version("pets", 1).changed_files() == []
    damage(repository.version("pets", 1).path / CHECKSUMS_PATH)
    assert repository.version("pets", 1).changed_files() == [CHECKSUMS_PATH.as_posix()]


# To `str.isdigit` and `int`, the Arabic digit is a number too.
@pytest.mark.parametrize("name", ["9" * 5000, "١", "1.5", "-1"])  # noqa: RUF001
def test_a_folder_that_is_no_version_is_left_out(repository: ModelRepository, name: str) -> None:
    folder = repository.root / "pets" / name[:200]
    folder.mkdir()
    (folder / "saved_model.pb").touch()
    assert [version.number for version in repository.versions("pets")] == [1, 2]


@every_damage
def test_a_model_in_whose_place_is_something_else_leaves_the_others(
    repository: ModelRepository, damage: Damage
) -> None:
    damage(repository.root / "birds")
    damage(repository.root / "pets" / "3")
    damage(repository.root / "pets" / "1" / "saved_model.pb")
    assert repository.models() == ["pets", "waste"]
    sweep_models(repository)
    assert os.path.lexists(repository.root / "pets" / "3")


@every_damage
def test_a_damaged_list_of_trusted_versions_trusts_none_and_is_kept(
    repository: ModelRepository, damage: Damage
) -> None:
    damage(repository.root / TRUSTED_NAME)
    listed = read_trusted(repository.trusted_path)
    assert not any(len(digest) == 64 for digest in listed)
    trust_version(repository, "pets", 1)
    assert list(read_trusted(repository.trusted_path).values()).count("pets/1") == 1
    assert kept(repository) in ((0, 1) if listed else (1,))


@every_damage
def test_damaged_faults_of_a_model_say_nothing_and_are_kept(
    repository: ModelRepository, damage: Damage
) -> None:
    path = repository.root / "pets" / FAULTS_NAME
    damage(path)
    assert ModelFaults.read(path.parent) == ModelFaults()
    repository.record_fault("pets", 2, VersionFault("It cannot be loaded.", "Promote another."))
    assert repository.fault("pets", 2) is not None
    assert kept(repository) == 1
