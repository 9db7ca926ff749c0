"""A repository of many models: which are served, and what can be done with a whole model."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format

from serving.errors import ModelError
from serving.models.checksums import CHECKSUMS_PATH
from serving.models.model_folders import (
    create_model,
    delete_model,
    duplicate_model,
    purge_deleted,
    restore_model,
)
from serving.models.model_names import ModelNameError, checked_model_name
from serving.models.model_settings import ModelSettings
from serving.models.pruning import prune, remove_version, sweep_models
from serving.models.repository import ModelRepository
from serving.models.served import ServedModels
from serving.models.staging import commit_version, staged_version
from serving.tf.messages import model_server_config_pb2


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    made = ModelRepository(tmp_path / "models")
    for name in ("pets", "waste"):
        add(made, name)
        made.promote(name, 1)
    return made


def add(repository: ModelRepository, model: str) -> int:
    with staged_version(repository, model) as folder:
        (folder / "saved_model.pb").write_bytes(b"graph")
        return commit_version(repository, model, folder).number


def configured(repository: ModelRepository) -> dict[str, int]:
    """What an instance is told to load."""
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(repository.config_path.read_text(), config)
    entries = config.model_config_list.config
    assert all(Path(entry.base_path) == repository.root / entry.name for entry in entries)
    return {entry.name: int(entry.model_version_policy.specific.versions[0]) for entry in entries}


def test_the_first_promoted_model_stays_current(repository: ModelRepository) -> None:
    assert repository.served() == ServedModels("pets")
    assert configured(repository) == {"pets": 1}
    add(repository, "waste")
    repository.promote("waste", 2)
    assert repository.served().current == "pets"


def test_a_repository_that_never_chose_serves_what_was_promoted_last(
    repository: ModelRepository,
) -> None:
    (repository.root / "served.json").unlink()
    os.utime(repository.live_config_path("waste"), ns=(1, 1))
    assert repository.served() == ServedModels("pets")
    os.utime(repository.live_config_path("pets"), ns=(0, 0))
    assert repository.served() == ServedModels("waste")


def test_the_config_lists_every_served_model(repository: ModelRepository) -> None:
    repository.change_served(lambda served: replace(served, loading="waste"))
    assert configured(repository) == {"pets": 1, "waste": 1}
    add(repository, "waste")
    repository.promote("waste", 2)
    assert configured(repository) == {"pets": 1, "waste": 2}
    repository.change_served(lambda served: ServedModels("waste"))
    assert configured(repository) == {"waste": 2}


def test_another_program_sees_the_change(repository: ModelRepository) -> None:
    other = ModelRepository(repository.root)
    assert other.served().current == "pets"
    repository.change_served(lambda served: ServedModels("waste", ("pets",)))
    assert other.served() == ServedModels("waste", ("pets",))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"current": 3}', '{"current":"a","also":[1]}'])
def test_a_damaged_list_counts_as_never_written(repository: ModelRepository, text: str) -> None:
    (repository.root / "served.json").write_text(text)
    assert repository.served().current in ("pets", "waste")


def test_a_model_without_a_live_version_cannot_be_served(repository: ModelRepository) -> None:
    add(repository, "fresh")
    with pytest.raises(ModelError, match="No version of model fresh is live"):
        repository.change_served(lambda served: replace(served, loading="fresh"))
    with pytest.raises(ModelError, match="pets is the current model"):
        repository.change_served(lambda served: replace(served, current=""))
    assert configured(repository) == {"pets": 1}


def test_damage_to_one_model_changes_nothing_that_is_served(repository: ModelRepository) -> None:
    repository.change_served(lambda served: ServedModels("pets", ("waste",)))
    repository.live_config_path("waste").write_text("nonsense")
    repository.promote("pets", 1)
    assert configured(repository) == {"pets": 1, "waste": 1}


def test_a_damaged_model_that_no_server_loads_leaves_the_others_served(
    repository: ModelRepository,
) -> None:
    repository.change_served(lambda served: ServedModels("pets", ("waste",)))
    repository.live_config_path("waste").write_text("nonsense")
    repository.config_path.unlink()
    repository.promote("pets", 1)
    assert configured(repository) == {"pets": 1}


def test_a_name_is_taken_whatever_its_capitals(repository: ModelRepository) -> None:
    with pytest.raises(ModelError, match="There is a model called pets already"):
        create_model(repository, "Pets", ModelSettings())
    create_model(repository, "birds", ModelSettings("pets", keeps_backbone_classes=False))
    assert repository.settings("birds").backbone == "pets"
    assert "birds" not in repository.models()


def test_a_duplicate_shares_its_files_and_is_a_model_of_its_own(
    repository: ModelRepository,
) -> None:
    repository.change_settings("pets", lambda settings: settings.with_pin(1, pinned=True))
    duplicate_model(repository, "pets", "copy")
    assert repository.live("copy").number == 1
    assert repository.settings("copy").pinned == (1,)
    one, other = (
        (repository.root / name / "1" / "saved_model.pb").stat() for name in ("pets", "copy")
    )
    assert one.st_ino == other.st_ino
    repository.promote("copy", add(repository, "copy"))
    assert [version.number for version in repository.versions("pets")] == [1]
    assert repository.live("pets").number == 1


def test_a_deleted_model_can_be_restored(repository: ModelRepository) -> None:
    with pytest.raises(ModelError, match="loaded by the instances"):
        delete_model(repository, "pets")
    token = delete_model(repository, "waste")
    assert repository.models() == ["pets"]
    assert restore_model(repository, token) == "waste"
    assert repository.live("waste").number == 1
    with pytest.raises(ModelError, match="gone"):
        restore_model(repository, token)


def test_a_deleted_model_does_not_replace_a_newer_one(repository: ModelRepository) -> None:
    token = delete_model(repository, "waste")
    add(repository, "Waste")
    with pytest.raises(ModelError, match="called Waste already"):
        restore_model(repository, token)
    assert purge_deleted(repository) == [token]
    with pytest.raises(ModelError, match="gone"):
        restore_model(repository, token)


@pytest.mark.parametrize("token", ["", "..", "../..", "0123", "a/b"])
def test_no_token_reaches_another_folder(repository: ModelRepository, token: str) -> None:
    with pytest.raises(ModelError, match="gone"):
        restore_model(repository, token)
    assert repository.models() == ["pets", "waste"]


def test_only_the_newest_versions_stay_and_those_that_are_kept(
    repository: ModelRepository,
) -> None:
    for _ in range(8):
        add(repository, "pets")
    repository.promote("pets", 4)
    repository.change_settings(
        "pets", lambda settings: replace(settings.with_pin(3, pinned=True), keep_versions=2)
    )
    assert prune(repository, "pets") == [2, 5, 6, 7]
    assert [version.number for version in repository.versions("pets")] == [1, 3, 4, 8, 9]
    for number, reason in ((4, "is live"), (3, "is pinned"), (7, "no version 7")):
        with pytest.raises(ModelError, match=reason):
            remove_version(repository, "pets", number)
    remove_version(repository, "pets", 8)
    assert [version.number for version in repository.versions("pets")] == [1, 3, 4, 9]


def test_what_a_crash_left_is_swept_and_work_of_a_living_program_is_not(
    repository: ModelRepository,
) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    left = repository.root / "pets" / f".staging-{ended.pid}-ab"
    former = repository.root / ".staging-0123456789ab"
    for folder in (left, former):
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"half")
    with staged_version(repository, "pets") as mine:
        assert set(sweep_models(repository)) == {left, former}
        assert mine.is_dir()


def test_a_model_that_got_no_version_is_swept_and_its_name_is_free(
    repository: ModelRepository,
) -> None:
    create_model(repository, "mine", ModelSettings())
    assert sweep_models(repository) == [repository.root / "mine"]
    create_model(repository, "Mine", ModelSettings())
    with staged_version(repository, "Mine"):
        assert sweep_models(repository) == []


def test_checksums_are_those_of_sha256sum(repository: ModelRepository) -> None:
    folder = repository.version("pets", 1).path
    check = ["sha256sum", "--check", "--strict", str(CHECKSUMS_PATH)]
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 0
    assert repository.version("pets", 1).changed_files() == []
    (folder / "saved_model.pb").write_bytes(b"grapj")
    (folder / "new").touch()
    assert repository.version("pets", 1).changed_files() == ["new", "saved_model.pb"]
    (folder / CHECKSUMS_PATH).unlink()
    assert repository.version("pets", 1).changed_files() is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  My   pets ", "My pets"),
        ("t-shirt_2.0", "t-shirt_2.0"),
        ("007", "007"),
        ("Gefla\u0308chte", "Gefl\u00e4chte"),
    ],
)
def test_valid_model_names_are_accepted(text: str, name: str) -> None:
    assert checked_model_name(text) == name


@pytest.mark.parametrize(
    "text", ["", " ", ".", "..", ".x", "a/b", "a\\b", "a:b", "a\x00b", "x" * 65, "-rf", " --all"]
)
def test_invalid_model_names_are_refused(text: str) -> None:
    with pytest.raises(ModelNameError):
        checked_model_name(text)


def test_a_workspace_that_was_moved_is_served_from_where_it_is(
    repository: ModelRepository, tmp_path: Path
) -> None:
    repository.change_served(lambda served: ServedModels("pets", ("waste",)))
    moved = ModelRepository(repository.root.rename(tmp_path / "elsewhere"))
    moved.refresh_config()
    assert configured(moved) == {"pets": 1, "waste": 1}
    written = moved.config_path.stat().st_ino
    moved.refresh_config()
    assert moved.config_path.stat().st_ino == written
    moved.config_path.unlink()
    moved.refresh_config()
    assert configured(moved) == {"pets": 1, "waste": 1}
