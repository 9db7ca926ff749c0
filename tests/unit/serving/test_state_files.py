"""Whatever is in the place of a file of Servery's, reading it ends, with a sentence."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serving.state_files import (
    DamagedFile,
    UnreadableFile,
    is_plain_name,
    open_file,
    read_file,
    read_object,
    read_text,
    set_aside,
)
from tests.support.damage import DAMAGES, IN_ITS_PLACE, NO_TEXT, Damage


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    assert read_file(path) is None
    assert read_text(path) is None
    assert read_object(path) is None
    path.write_text('{"name": "Käfer", "share": 0.5}', "utf-8")
    assert read_object(path) == {"name": "Käfer", "share": 0.5}
    path.write_text('{"name": "with a mark"}', "utf-8-sig")
    assert read_object(path) == {"name": "with a mark"}
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert read_object(link) == {"name": "with a mark"}


@pytest.mark.parametrize("damage", IN_ITS_PLACE.values(), ids=IN_ITS_PLACE)
def test_what_is_no_file_is_not_read(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / "file.json"
    damage(path)
    with pytest.raises(DamagedFile, match=r"file.json is damaged: it is a .*doctor --repair"):
        read_file(path)


@pytest.mark.parametrize("damage", NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_is_not_read(tmp_path: Path, damage: Damage) -> None:
    damage(tmp_path / "file.json")
    with pytest.raises(DamagedFile):
        read_text(tmp_path / "file.json")


@pytest.mark.parametrize(
    "name",
    sorted(DAMAGES.keys() - {"numbers as text", "nulls"}),  # objects all the same
)
def test_what_is_no_object_is_not_read(tmp_path: Path, name: str) -> None:
    DAMAGES[name](tmp_path / "file.json")
    with pytest.raises(DamagedFile):
        read_object(tmp_path / "file.json")


def test_a_socket_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("file.json")
        with pytest.raises(DamagedFile, match="it is a socket"):
            read_file(Path("file.json"))


def test_a_process_that_can_open_no_more_files_does_not_call_one_damaged(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("{}")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(UnreadableFile, match=r"[Tt]oo many open files") as caught:
            read_file(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not isinstance(caught.value, DamagedFile)


def test_no_file_stays_open(tmp_path: Path) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    for number, damage in enumerate(DAMAGES.values()):
        path = tmp_path / str(number)
        damage(path)
        with contextlib.suppress(DamagedFile):
            open_file(path).close()
            read_object(path)
    assert opened() == before


AS_NOBODY = """
import os, sys
from pathlib import Path
os.setuid(65534)
from serving.state_files import DamagedFile, read_file
try:
    read_file(Path(sys.argv[1]))
except DamagedFile as error:
    print(error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = Path("/tmp") / f"unreadable-{os.getpid()}"
    path.touch()
    path.chmod(0)
    try:
        output = subprocess.run(
            [sys.executable, "-c", "import serving.state_files\n" + AS_NOBODY, str(path)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    finally:
        path.unlink()
    assert "is damaged: you may not read it." in output


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_set_aside_is_whole_and_replaces_nothing(tmp_path: Path, damage: Damage) -> None:
    path, damaged = tmp_path / "fleet" / "fleet.json", tmp_path / "damaged"
    kept = []
    for _ in range(3):
        damage(path)
        before = os.lstat(path)
        kept.append(set_aside(path, damaged))
        after = os.lstat(kept[-1])
        assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)
        assert not os.path.lexists(path)
    assert len(list(damaged.iterdir())) == 3
    assert damaged.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "../x", "/etc/passwd", "a/b", "a\0b"])
def test_a_path_is_no_plain_name(name: str) -> None:
    assert not is_plain_name(name)


@pytest.mark.parametrize("name", ["instance-0a1b2c", "pets 2", "Käfer.3"])
def test_a_name_is_a_plain_name(name: str) -> None:
    assert is_plain_name(name)
