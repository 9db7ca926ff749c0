"""What one person keeps is theirs alone, and what lies elsewhere stays as it is."""

from __future__ import annotations

import os
import stat
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.files import write_aside, write_export
from serving.private import (
    ForeignFolder,
    access_warnings,
    check_owner,
    make_private_folder,
    persons_umask,
    restrict_access,
    set_private_umask,
)
from serving.workspace import Workspace

NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def modes(root: Path) -> set[tuple[bool, int]]:
    """Return whether it is a folder, and its mode, of everything in `root`, links aside."""
    paths = [path for path in (root, *root.rglob("*")) if not path.is_symlink()]
    return {(path.is_dir(), mode(path)) for path in paths}


@pytest.fixture(params=[0, 0o022, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The umask of the person, restored afterwards."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder as an older program made it, readable by all."""
    root = tmp_path / "old"
    before = os.umask(0o022)
    for folder in ("models/cats/1/variables", "images/ab", "logs"):
        (root / folder).mkdir(parents=True)
    for file in ("models/cats/1/saved_model.pb", "images/ab/cd.jpg", "backend.sqlite-wal"):
        (root / file).write_text(file)
    (root / "logs" / "run.sh").touch(0o755)
    os.umask(before)
    return root


def test_everything_in_an_older_folder_is_closed(old: Path) -> None:
    assert restrict_access(old) == []
    assert modes(old) == {(True, 0o700), (False, 0o600)}
    assert restrict_access(old) == []


def test_what_else_is_in_a_folder_that_was_named_by_mistake_stays_as_it_is(old: Path) -> None:
    """A folder of programs, a file with a name elsewhere, and one that is named much like ours."""
    others = [
        old / "bin/tool",
        old / "linked.txt",
        old / "my_tokens/list",
        old / ".config/settings",
    ]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.chmod(0o755)
    (old / "settings.toml").touch(0o644)
    os.link(old / "linked.txt", old.parent / "elsewhere.txt")
    before = {path: mode(path) for path in (*others, *(path.parent for path in others[2:]))}
    Workspace(old).restrict_access()
    assert {path: mode(path) for path in before} == before
    assert mode(old) == 0o700
    ours = [old / name for name in ("models", "images", "logs", "settings.toml")]
    assert all(mode(path) & 0o077 == 0 for each in ours for path in (each, *each.rglob("*")))


def test_permissions_that_the_owner_removed_stay_removed(old: Path) -> None:
    (old / "images" / "ab" / "cd.jpg").chmod(0o444)
    restrict_access(old)
    assert mode(old / "images" / "ab" / "cd.jpg") == 0o400


def test_what_links_lead_to_is_left_alone_and_said(old: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o755)
    (elsewhere / "file").touch(0o644)
    (old / "models" / "file").symlink_to(elsewhere / "file")
    (old / "models" / "folder").symlink_to(elsewhere)
    (old / "models" / "nowhere").symlink_to(tmp_path / "nowhere")
    (old / "models" / "itself").symlink_to(old / "models")
    (sentence,) = restrict_access(old)
    assert "2 of the files and folders" in sentence
    assert "close that yourself" in sentence
    assert (mode(elsewhere), mode(elsewhere / "file")) == (0o755, 0o644)


def test_a_link_may_lead_to_the_folder_itself(old: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(old)
    assert restrict_access(tmp_path / "link") == []
    assert modes(old) == {(True, 0o700), (False, 0o600)}


def test_several_names_inside_stay_one_file(old: Path) -> None:
    one, two = old / "models/cats/1/saved_model.pb", old / "models/cats/copy.pb"
    two.hardlink_to(one)
    assert restrict_access(old, [old / "models"]) == []
    assert mode(one) == 0o600
    assert one.samefile(two)


def test_a_name_outside_keeps_its_rights(old: Path, tmp_path: Path) -> None:
    inside, again = old / "models/cats/1/saved_model.pb", old / "models/cats/again"
    outside = tmp_path / "backup.pb"
    outside.hardlink_to(inside)
    again.hardlink_to(inside)
    assert restrict_access(old, [old / "models"]) == []
    assert (mode(inside), mode(again), mode(outside)) == (0o600, 0o600, 0o644)
    assert inside.read_bytes() == outside.read_bytes() == again.read_bytes()
    assert inside.samefile(again)
    assert not inside.samefile(outside)
    assert len(list(inside.parent.iterdir())) == 2


def test_a_file_that_is_written_to_stays_the_same_file(old: Path, tmp_path: Path) -> None:
    database, outside = old / "backend.sqlite-wal", tmp_path / "name"
    outside.hardlink_to(database)
    assert restrict_access(old, [old / "models"]) == []
    assert mode(database) == 0o600
    assert database.samefile(outside)


def test_pipes_and_sockets_are_closed_too(old: Path) -> None:
    os.mkfifo(old / "pipe")
    (old / "pipe").chmod(0o666)
    restrict_access(old)
    assert mode(old / "pipe") == 0o600


@as_root
def test_files_of_other_users_are_named(old: Path) -> None:
    os.chown(old / "images" / "ab" / "cd.jpg", NOBODY, NOBODY)
    (sentence,) = restrict_access(old)
    assert "belong to other users" in sentence
    assert "cd.jpg" in sentence


@as_root
def test_a_folder_of_another_user_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:  # everybody can reach it, unlike a test's own
        os.chown(folder, NOBODY, NOBODY)
        Path(folder).chmod(0o755)
        check_owner(Path(folder))  # root may use any
        os.seteuid(1234)
        try:
            with pytest.raises(ForeignFolder, match="belongs to another user, nobody"):
                check_owner(Path(folder))
        finally:
            os.seteuid(0)


def test_a_folder_that_cannot_be_closed_is_said(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a file system without access rights, which no test can mount everywhere.
    monkeypatch.setattr("os.fchmod", lambda descriptor, mode: None)
    (sentence,) = restrict_access(old)
    assert "cannot be closed to other users" in sentence


def test_folders_in_which_others_could_exchange_it_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "shared" / "mine"
    folder.mkdir(parents=True)
    tmp_path.chmod(0o700)
    (tmp_path / "shared").chmod(0o755)
    quiet = access_warnings(folder)
    (tmp_path / "shared").chmod(0o777)
    assert [line for line in access_warnings(folder) if line not in quiet] == [
        f"Other users can write to {tmp_path / 'shared'} and so put another folder in place of"
        f" {folder}."
    ]
    (tmp_path / "shared").chmod(0o1777)
    assert access_warnings(folder) == quiet


def test_new_folders_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    make_private_folder(tmp_path / "one")
    make_private_folder(tmp_path / "one")
    assert mode(tmp_path / "one") == 0o700


def test_the_workspace_inherits_no_default_acl(tmp_path: Path) -> None:
    entries = [(1, 7, -1), (4, 7, -1), (16, 7, -1), (32, 5, -1)]  # user, group, mask, others
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", acl)
    except OSError as error:
        pytest.skip(f"this file system hands down no rights: {error.strerror}")
    workspace = Workspace(tmp_path / "workspace").create()
    (workspace.logs / "new").touch()
    (workspace.logs / "folder").mkdir()
    before = os.umask(0o077)
    try:
        (workspace.logs / "later").touch()
        assert mode(workspace.logs / "later") == 0o600
    finally:
        os.umask(before)


def test_files_written_aside_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    write_aside(tmp_path / "file", "text")
    assert mode(tmp_path / "file") == 0o600


def test_an_export_has_the_rights_of_the_persons_umask(tmp_path: Path, umask: int) -> None:
    tmp_path.chmod(0o755)
    write_export(tmp_path / "one.csv", "a,b")
    assert mode(tmp_path / "one.csv") == 0o666 & ~umask
    tmp_path.chmod(0o700)
    write_export(tmp_path / "two.csv", "a,b")
    assert mode(tmp_path / "two.csv") == 0o600


def test_the_private_umask_is_suspended_for_what_is_the_persons(
    tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.private._umask_before", None)
    set_private_umask()
    set_private_umask()
    (tmp_path / "private").touch()
    assert mode(tmp_path / "private") == 0o600
    with persons_umask() as before:
        assert before == umask
        (tmp_path / "shared").touch()
    assert mode(tmp_path / "shared") == 0o666 & ~umask
    (tmp_path / "again").touch()
    assert mode(tmp_path / "again") == 0o600


def test_a_workspace_is_made_private_and_an_older_one_is_closed(old: Path, umask: int) -> None:
    Workspace(old).create()
    assert modes(old) == {(True, 0o700), (False, 0o600)}
    new = Workspace(old.parent / "new" / "workspace").create()
    assert modes(new.root) == {(True, 0o700)}
