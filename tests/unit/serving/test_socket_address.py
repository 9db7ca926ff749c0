from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from serving.socket_address import (
    MAX_PATH_BYTES,
    remove_socket,
    socket_folder,
    socket_path,
    unix_address,
)

NAME = "instance-0a1b2c.grpc"


def bind(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(str(path))
    return bound


def test_an_address_is_a_path_or_not() -> None:
    assert socket_path(unix_address(Path("/a b/c"))) == "/a b/c"
    assert socket_path("127.0.0.1:8500") is None
    assert socket_path("[::1]:8500") is None


def test_sockets_lie_in_the_workspace_as_long_as_the_path_allows(tmp_path: Path) -> None:
    longest = MAX_PATH_BYTES - len(str(tmp_path)) - len(NAME) - 2
    folder = tmp_path / ("x" * longest)
    assert socket_folder(folder, NAME) == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    bind(folder / NAME).close()
    longer = tmp_path / ("y" * (longest + 1))
    elsewhere = socket_folder(longer, NAME)
    assert elsewhere != longer
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
    bind(elsewhere / NAME).close()
    remove_socket(elsewhere / NAME)
    assert not elsewhere.exists()


def test_bytes_count_and_not_characters(tmp_path: Path) -> None:
    folder = tmp_path / ("é" * 40)
    found = socket_folder(folder, NAME)
    bind(found / NAME).close()
    remove_socket(found / NAME)


def test_they_lie_in_the_runtime_folder_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "r"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    far = tmp_path / ("x" * 100)
    assert socket_folder(far, NAME).parent == runtime
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    elsewhere = socket_folder(far, NAME)
    assert elsewhere.parent not in (runtime, tmp_path / "none")
    elsewhere.rmdir()


def test_a_folder_that_somebody_made_before_is_never_used(tmp_path: Path) -> None:
    far = tmp_path / ("x" * 100)
    first, second = socket_folder(far, NAME), socket_folder(far, NAME)
    assert first != second
    first.rmdir()
    second.rmdir()


def test_nothing_but_a_socket_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "servery-kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    (kept / "link").symlink_to(kept / "file")
    (kept / "folder").mkdir()
    for name in ("file", "link", "folder", "none"):
        remove_socket(kept / name)
    assert sorted(path.name for path in kept.iterdir()) == ["file", "folder", "link"]
