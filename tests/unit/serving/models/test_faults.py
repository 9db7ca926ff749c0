"""What is known against versions, and what instances load because of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.models.faults import FAULTS_NAME, VersionFault
from serving.models.model_folders import duplicate_model
from serving.models.pruning import prune
from serving.models.repository import ModelRepository
from serving.models.serving_config import pinned_version
from tests.support.backend_env import MODEL, add_version

FAULT = VersionFault("It cannot be served.", "Promote another version.")


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    made = ModelRepository(tmp_path / "models")
    for _ in range(3):
        add_version(made)
    made.promote(MODEL, 1)
    made.promote(MODEL, 3)
    return made


def test_instances_load_the_fallback_while_the_live_version_has_a_fault(
    repository: ModelRepository,
) -> None:
    repository.record_fault(MODEL, 3, FAULT, fallback=1)
    assert repository.live(MODEL).number == 3
    assert repository.answering(MODEL).number == 1
    assert pinned_version(repository.config_path) == 1
    repository.promote(MODEL, 2)
    assert repository.answering(MODEL).number == 2
    assert pinned_version(repository.config_path) == 2
    # It is known all the same, until somebody promotes it again.
    assert repository.fault(MODEL, 3) is not None
    repository.promote(MODEL, 3)
    assert repository.fault(MODEL, 3) is None
    assert pinned_version(repository.config_path) == 3
    assert repository.former_live(MODEL) == (2, 3, 1)


def test_a_fault_of_another_version_changes_nothing_that_is_loaded(
    repository: ModelRepository,
) -> None:
    repository.record_fault(MODEL, 2, FAULT)
    assert repository.fault(MODEL, 2) is not None
    assert repository.fallback(MODEL) is None
    assert pinned_version(repository.config_path) == 3


def test_a_fault_holds_as_long_as_the_files_stay_as_they_were(repository: ModelRepository) -> None:
    repository.record_fault(MODEL, 3, FAULT, fallback=1)
    (repository.version(MODEL, 3).path / "saved_model.pb").write_bytes(b"mended")
    assert repository.fault(MODEL, 3) is None
    assert repository.answering(MODEL).number == 3
    repository.refresh_config()
    assert pinned_version(repository.config_path) == 3


def test_what_answers_in_place_of_another_is_neither_pruned_nor_removed(
    repository: ModelRepository,
) -> None:
    repository.record_fault(MODEL, 3, FAULT, fallback=2)
    repository.change_settings(MODEL, lambda settings: type(settings)(keep_versions=1))
    assert prune(repository, MODEL) == []
    repository.promote(MODEL, 3)
    assert prune(repository, MODEL) == [2]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"versions": 3}', '{"versions": {"x": {}}}', "\udcff"]
)
def test_a_damaged_file_says_nothing(repository: ModelRepository, text: str) -> None:
    path = repository.root / MODEL / FAULTS_NAME
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert repository.fault(MODEL, 3) is None
    assert repository.fallback(MODEL) is None
    repository.record_fault(MODEL, 3, FAULT, fallback=1)
    assert repository.fallback(MODEL) == 1


def test_a_copy_of_a_model_begins_without_faults(repository: ModelRepository) -> None:
    repository.record_fault(MODEL, 2, FAULT)
    duplicate_model(repository, MODEL, "copy")
    assert repository.fault("copy", 2) is None
