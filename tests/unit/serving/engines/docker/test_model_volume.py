from __future__ import annotations

from pathlib import Path

import pytest

from serving.engines.docker.model_volume import ModelFiles, ModelVolume
from serving.errors import EngineError
from serving.models.repository import ModelRepository
from serving.workspace import Workspace


def add_version(repository: ModelRepository) -> int:
    with repository.staged("pets") as folder:
        (folder / "saved_model.pb").touch()
        return repository.adopt("pets", folder).number


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    made = ModelRepository(tmp_path)
    add_version(made)
    made.promote("pets", 1)
    return made


def marks(repository: ModelRepository) -> dict[str, str]:
    return dict(ModelFiles.read(repository.root / "pets").marks)


def test_versions_and_the_configuration_are_uploaded_and_nothing_half_done(
    repository: ModelRepository,
) -> None:
    folder = repository.root / "pets"
    (folder / "7").mkdir()
    (folder / ".staging-1").mkdir()
    (folder / "notes.txt").touch()
    contents = ModelFiles.read(folder)
    assert set(contents.versions) == {"1"}
    assert set(contents.marks) == {"1", "serving.config"}
    assert contents.config == (folder / "serving.config").read_bytes()


def test_each_change_has_another_mark(repository: ModelRepository) -> None:
    first = marks(repository)
    assert marks(repository) == first
    add_version(repository)
    second = marks(repository)
    assert second.keys() - first.keys() == {"2"}
    repository.promote("pets", 2)
    third = marks(repository)
    assert {name for name in third if third[name] != second[name]} == {"serving.config"}
    (repository.root / "pets" / "2").rename(repository.root / "gone")
    add_version(repository)
    fourth = marks(repository)
    assert {name for name in fourth if fourth[name] != third[name]} == {"2"}


def test_without_a_live_version_nothing_can_be_uploaded(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read: No such file"):
        ModelFiles.read(tmp_path / "pets")


def test_each_model_of_each_workspace_has_its_own_volume(tmp_path: Path) -> None:
    names = {
        ModelVolume(Workspace(tmp_path / root), model, tmp_path).name
        for root in ("a", "b")
        for model in ("my pets", "my-pets", "ποτάμι")
    }
    assert len(names) == 6
    assert all(name.isascii() and " " not in name for name in names)
