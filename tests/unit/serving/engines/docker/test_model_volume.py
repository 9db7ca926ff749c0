from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from serving.engines.docker.model_volume import ModelFiles, ModelVolume, _version
from serving.errors import EngineError
from serving.models.pruning import remove_version
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version_trust import trust_version
from serving.tf.trust import TRUSTED_NAME
from serving.workspace import Workspace


def add_version(repository: ModelRepository, model: str = "pets") -> int:
    with staged_version(repository, model) as folder:
        (folder / "saved_model.pb").touch()
        return commit_version(repository, model, folder).number


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    made = ModelRepository(tmp_path)
    for model in ("pets", "my birds"):
        add_version(made, model)
        made.promote(model, 1)
    return made


def marks(repository: ModelRepository) -> dict[str, str]:
    return dict(ModelFiles.read(repository.root).marks)


def test_live_versions_of_served_models_and_the_configuration_are_uploaded(
    repository: ModelRepository,
) -> None:
    add_version(repository)
    contents = ModelFiles.read(repository.root)
    assert set(contents.versions) == {"pets/1"}
    assert set(contents.marks) == {"pets/1", "serving.config"}
    assert contents.config == (repository.root / "serving.config").read_bytes()
    repository.change_served(lambda served: replace(served, also=("my birds",)))
    contents = ModelFiles.read(repository.root)
    assert contents.versions["my birds/1"] == repository.root / "my birds" / "1"
    assert set(contents.marks) == {"pets/1", "my birds/1", "serving.config"}


def test_each_change_has_another_mark(repository: ModelRepository) -> None:
    first = marks(repository)
    assert marks(repository) == first
    add_version(repository)
    assert marks(repository) == first
    repository.promote("pets", 2)
    second = marks(repository)
    assert second.keys() == {"pets/2", "serving.config"}
    assert second["serving.config"] != first["serving.config"]
    (repository.root / "pets" / "2").rename(repository.root / "pets" / ".gone")
    add_version(repository)
    third = marks(repository)
    assert {name for name in third if third[name] != second[name]} == {"pets/2"}


def test_what_is_not_served_any_more_stays_uploaded_as_long_as_it_exists(
    repository: ModelRepository,
) -> None:
    uploaded = marks(repository)
    add_version(repository)
    repository.promote("pets", 2)
    files = ModelFiles.read(repository.root)
    assert files.missing(uploaded) == ["serving.config", "pets/2"]
    uploaded |= files.marks
    assert set(uploaded) == {"pets/1", "pets/2", "serving.config"}
    assert files.are_in(uploaded)
    remove_version(repository, "pets", 1)
    files = ModelFiles.read(repository.root)
    assert not files.are_in(uploaded)
    assert (files.missing(uploaded), files.removed(uploaded)) == ([], ["pets/1"])


def test_what_a_person_trusts_is_uploaded_too(repository: ModelRepository) -> None:
    before = marks(repository)
    trust_version(repository, "pets", 1)
    assert marks(repository).keys() - before.keys() == {TRUSTED_NAME}


def test_no_file_from_outside_of_the_repository_is_uploaded(
    repository: ModelRepository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("secret")
    folder = repository.version("pets", 1).path
    (folder / "assets").mkdir()
    (folder / "assets" / "words.txt").write_text("harmless")
    (folder / "assets" / "link").symlink_to(outside / "secret")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    names = [member.name for member in _version("pets/1", folder)]
    assert "pets/1/assets/words.txt" in names
    assert not [name for name in names if "link" in name or "pipe" in name or "secret" in name]


def test_without_a_configuration_nothing_can_be_uploaded(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read: No such file"):
        ModelFiles.read(tmp_path)
    (tmp_path / "serving.config").write_text("nonsense")
    with pytest.raises(EngineError, match="does not say which models are served"):
        ModelFiles.read(tmp_path)


def test_each_workspace_has_its_own_volume(tmp_path: Path) -> None:
    names = {ModelVolume(Workspace(tmp_path / root), tmp_path).name for root in ("a", "b")}
    assert len(names) == 2
