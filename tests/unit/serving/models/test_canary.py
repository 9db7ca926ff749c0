"""What the repository says about a canary, and what servers load because of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from serving.errors import ModelError
from serving.model_server.configuration import read_models
from serving.model_server.versions import Specific
from serving.models.canary import Canary, CanaryFiles, CanaryPhase, CanarySample, Failure
from serving.models.faults import VersionFault
from serving.models.model_folders import duplicate_model
from serving.models.pruning import prune, remove_version
from serving.models.repository import ModelRepository
from serving.models.serving_config import pinned_version
from tests.support.backend_env import MODEL, add_version

CANARY = Canary(version=2, stable=1, share=0.1, started="2026-01-31T09:15:00.123Z", by="ada")


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    made = ModelRepository(tmp_path / "models")
    for _ in range(3):
        add_version(made)
    made.promote(MODEL, 1)
    return made


def loaded(repository: ModelRepository) -> tuple[set[int], dict[str, int]]:
    """Return the versions and the labels that a server reads."""
    config = read_models(str(repository.config_path))[MODEL]
    assert isinstance(config.policy, Specific)
    return set(config.policy.numbers), dict(config.labels)


def run(canary: Canary) -> Canary:
    return replace(canary, phase=CanaryPhase.RUNNING)


def test_labels_follow_once_both_versions_are_loaded(repository: ModelRepository) -> None:
    assert loaded(repository) == ({1}, {})
    repository.start_canary(MODEL, CANARY)
    assert loaded(repository) == ({1, 2}, {})
    assert pinned_version(repository.config_path) == 1
    repository.change_canary(MODEL, run)
    assert loaded(repository) == ({1, 2}, {"stable": 1, "canary": 2})
    assert repository.live(MODEL).number == 1


def test_another_program_sees_it_at_once(repository: ModelRepository) -> None:
    other = ModelRepository(repository.root)
    assert other.canaries.of(MODEL) is None
    repository.start_canary(MODEL, CANARY)
    assert other.canaries.of(MODEL) == CANARY
    other.change_canary(MODEL, run)
    assert repository.canaries.of(MODEL) == run(CANARY)


@pytest.mark.parametrize(("promoted", "others"), [(1, {2}), (2, {1}), (3, {1, 2})])
def test_whatever_is_promoted_ends_it(
    repository: ModelRepository, promoted: int, others: set[int]
) -> None:
    repository.start_canary(MODEL, CANARY)
    repository.change_canary(MODEL, run)
    repository.promote(MODEL, promoted)
    assert loaded(repository) == ({promoted}, {})
    canary = repository.canaries.of(MODEL)
    assert canary is not None
    assert (canary.phase, canary.pinned) == (CanaryPhase.ENDING, promoted)
    repository.forget_canary(MODEL)
    assert repository.canaries.of(MODEL) is None


def test_one_that_goes_on_is_not_forgotten(repository: ModelRepository) -> None:
    repository.start_canary(MODEL, CANARY)
    repository.forget_canary(MODEL)
    assert repository.canaries.of(MODEL) == CANARY


def test_one_that_lost_leaves_the_live_version(repository: ModelRepository) -> None:
    repository.start_canary(MODEL, CANARY)
    repository.end_canary(MODEL)
    assert loaded(repository) == ({1}, {})
    canary = repository.canaries.of(MODEL)
    assert canary is not None
    assert canary.pinned == 1


@pytest.mark.parametrize("faulty", [1, 2])
def test_a_fault_of_either_version_ends_it(repository: ModelRepository, faulty: int) -> None:
    repository.start_canary(MODEL, CANARY)
    fault = VersionFault("It cannot be served.", "Promote another version.")
    repository.record_fault(MODEL, faulty, fault, fallback=3)
    answers = 3 if faulty == 1 else 1
    canary = repository.canaries.of(MODEL)
    assert canary is not None
    assert (canary.phase, canary.pinned) == (CanaryPhase.ENDING, answers)
    assert loaded(repository) == ({answers}, {})


@pytest.mark.parametrize(
    ("canary", "sentence"),
    [
        (replace(CANARY, version=1, stable=2), "is live"),
        (replace(CANARY, version=9), "has no version 9"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    repository: ModelRepository, canary: Canary, sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        repository.start_canary(MODEL, canary)
    assert repository.canaries.of(MODEL) is None


def test_there_is_one_at_a_time(repository: ModelRepository) -> None:
    repository.start_canary(MODEL, CANARY)
    with pytest.raises(ModelError, match="Another canary"):
        repository.start_canary(MODEL, replace(CANARY, version=3))


def test_a_model_that_gets_no_requests_has_none(repository: ModelRepository) -> None:
    add_version(repository, model="birds")
    add_version(repository, model="birds")
    repository.promote("birds", 1)
    with pytest.raises(ModelError, match="is not served"):
        repository.start_canary("birds", CANARY)


def test_both_versions_stay_on_disk_meanwhile(repository: ModelRepository) -> None:
    repository.start_canary(MODEL, CANARY)
    for _ in range(3):
        add_version(repository)
    repository.change_settings(MODEL, lambda settings: replace(settings, keep_versions=1))
    assert prune(repository, MODEL) == [3, 4, 5]
    with pytest.raises(ModelError, match="canary"):
        remove_version(repository, MODEL, 2)


def test_a_copy_of_the_model_has_no_canary(repository: ModelRepository) -> None:
    repository.start_canary(MODEL, CANARY)
    duplicate_model(repository, MODEL, "copy")
    assert repository.canaries.of("copy") is None


def test_a_damaged_file_is_no_canary(repository: ModelRepository) -> None:
    repository.start_canary(MODEL, CANARY)
    repository.canaries.path(MODEL).write_text('{"version": 2}')
    assert repository.canaries.of(MODEL) is None
    repository.start_canary(MODEL, CANARY)
    assert repository.canaries.of(MODEL) == CANARY


def test_samples_of_all_programs_are_read_on_from_where_one_stopped(
    repository: ModelRepository,
) -> None:
    repository.start_canary(MODEL, CANARY)
    files = repository.canaries
    first = CanarySample((1, 2), "a" * 64, ("cat", "dog"), (4.0, 5.5))
    files.record(MODEL, first)
    found, end = files.samples(MODEL, CANARY)
    assert found == [first]
    failed = CanarySample((1, 2), "b" * 64, ("cat", ""), (4.0, 0.0), Failure.CANARY)
    CanaryFiles(repository.root).record(MODEL, failed)
    files.record(MODEL, replace(first, versions=(1, 3)))  # late, from the canary before
    with files.samples_path(MODEL).open("a") as file:
        file.write('[1]\n{"versions": [1, 2], "image"')  # damaged, and not yet whole
    later, end = files.samples(MODEL, CANARY, end)
    assert later == [failed]
    assert files.samples(MODEL, CANARY, end) == ([], end)
    repository.end_canary(MODEL)
    repository.forget_canary(MODEL)
    repository.start_canary(MODEL, CANARY)
    assert files.samples(MODEL, CANARY) == ([], 0)
