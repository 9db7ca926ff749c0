"""Versions that may do more than compute, because a person trusts them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backend.training.loaded_version import LoadedVersion, check_loadable
from serving.errors import ModelError
from serving.models.model_folders import duplicate_model
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version_trust import trust_version, untrusted_parts
from tests.support.graphs import write_version, writes_at_load


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    made = ModelRepository(tmp_path / "models")
    write_version(made.root / "own" / "1", writes_at_load(tmp_path / "written", "harm"))
    return made


def test_it_is_trusted_until_it_changes(repository: ModelRepository) -> None:
    assert untrusted_parts(repository, "own", 1) == ["WriteFile"]
    trust_version(repository, "own", 1)
    assert untrusted_parts(repository, "own", 1) == []
    graph = repository.version("own", 1).path / "saved_model.pb"
    graph.write_bytes(graph.read_bytes() + b"\x12\x00")
    assert untrusted_parts(repository, "own", 1) == ["WriteFile"]


def test_a_copy_is_trusted_as_well_and_another_version_is_not(
    repository: ModelRepository, tmp_path: Path
) -> None:
    write_version(repository.root / "own" / "2", writes_at_load(tmp_path / "other", "harm"))
    trust_version(repository, "own", 1)
    duplicate_model(repository, "own", "copy")
    assert untrusted_parts(repository, "copy", 1) == []
    assert (
        untrusted_parts(repository, "own", 2)
        == untrusted_parts(repository, "copy", 2)
        == ["WriteFile"]
    )


def test_a_version_that_was_learned_from_a_trusted_one_is_trusted(
    repository: ModelRepository,
) -> None:
    def learn() -> int:
        base = repository.version("own", 1)
        with staged_version(repository, "own") as staged:
            shutil.copytree(base.path, staged, dirs_exist_ok=True)
            graph = staged / "saved_model.pb"
            graph.write_bytes(graph.read_bytes() + b"\x12\x00")
            return commit_version(repository, "own", staged, learned_from=base).number

    first = learn()
    assert untrusted_parts(repository, "own", first) == ["WriteFile"]
    trust_version(repository, "own", 1)
    assert untrusted_parts(repository, "own", learn()) == []


def test_training_loads_it_only_if_it_is_trusted(
    repository: ModelRepository, tmp_path: Path
) -> None:
    folder = repository.version("own", 1).path
    with pytest.raises(ModelError, match="by WriteFile") as caught:
        LoadedVersion(folder)
    assert "`servery models trust own --version 1`" in caught.value.advice
    assert not (tmp_path / "written").exists()
    trust_version(repository, "own", 1)
    with LoadedVersion(folder):
        assert (tmp_path / "written").exists()


def test_training_takes_no_files_from_outside_of_the_repository(
    repository: ModelRepository, tmp_path: Path
) -> None:
    trust_version(repository, "own", 1)
    (tmp_path / "secret").touch()
    (repository.version("own", 1).path / "notes.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match="outside of"):
        check_loadable(repository.version("own", 1).path)


def test_a_damaged_graph_is_a_sentence(repository: ModelRepository) -> None:
    (repository.version("own", 1).path / "saved_model.pb").write_bytes(b"garbage" * 10)
    with pytest.raises(ModelError, match="is damaged"):
        untrusted_parts(repository, "own", 1)
