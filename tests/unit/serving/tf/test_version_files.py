from __future__ import annotations

import os
from pathlib import Path

import pytest

from serving.tf.status import Code, ServingError
from serving.tf.version_files import check_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a version, and a folder beside it that is none of its business."""
    for folder in ("repository/pets/1/variables", "repository/pets/1/assets", "outside/1"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "repository/pets/1/saved_model.pb").touch()
    (tmp_path / "outside/1/saved_model.pb").touch()
    (tmp_path / "outside/secret.txt").write_text("secret")
    return tmp_path / "repository"


def refusal(folder: Path, root: Path) -> str:
    with pytest.raises(ServingError) as caught:
        check_files(folder, root)
    assert caught.value.code is Code.PERMISSION_DENIED
    return caught.value.message


def test_a_version_in_the_repository_is_loaded(root: Path) -> None:
    check_files(root / "pets/1", root)
    (root / "dogs").symlink_to("pets")
    check_files(root / "dogs/1", root)
    (root / "pets/1/assets/words.txt").symlink_to("../saved_model.pb")
    check_files(root / "pets/1", root)


def test_the_repository_may_itself_be_reached_by_a_link(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    check_files(root.parent / "link/pets/1", root.parent / "link")
    check_files(root / "pets/1", root.parent / "link")


@pytest.mark.parametrize(
    "name", ["../outside/1", "pets/../../outside/1", "../repository/../outside/1"]
)
def test_a_version_outside_of_the_repository_is_refused(root: Path, name: str) -> None:
    assert "outside of" in refusal(root / name, root)


def test_a_folder_whose_name_begins_like_the_repository_is_not_in_it(root: Path) -> None:
    (root.parent / "repository-2" / "1").mkdir(parents=True)
    refusal(root.parent / "repository-2/1", root)


def test_links_out_of_it_are_found(root: Path) -> None:
    version = root / "pets/1"
    (root / "pets/2").symlink_to(root.parent / "outside/1")
    refusal(root / "pets/2", root)
    (root / "cats").symlink_to(root.parent / "outside")
    refusal(root / "cats/1", root)
    for name in ("assets/words.txt", "variables/variables.index", "fingerprint.pb"):
        link = version / name
        link.symlink_to(root.parent / "outside/secret.txt")
        assert str(link) in refusal(version, root)
        link.unlink()
    (version / "assets").rmdir()
    (version / "assets").symlink_to(root.parent / "outside")
    refusal(version, root)


def test_a_link_to_a_folder_inside_is_followed(root: Path) -> None:
    (root / "shared").mkdir()
    (root / "shared/words.txt").symlink_to(root.parent / "outside/secret.txt")
    (root / "pets/1/assets/shared").symlink_to(root / "shared")
    refusal(root / "pets/1", root)


def test_links_in_a_circle_and_to_nowhere_end(root: Path) -> None:
    (root / "pets/1/assets/circle").symlink_to(root / "pets/1")
    (root / "pets/1/assets/nowhere").symlink_to("none")
    check_files(root / "pets/1", root)


def test_what_is_no_file_is_refused(root: Path) -> None:
    os.mkfifo(root / "pets/1/variables/variables.index")
    assert "neither a file nor a folder" in refusal(root / "pets/1", root)


def test_a_device_is_refused(root: Path) -> None:
    (root / "pets/1/assets/zero").symlink_to("/dev/zero")
    refusal(root / "pets/1", root)
