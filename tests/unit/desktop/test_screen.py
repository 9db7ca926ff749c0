"""Whether a window can open: what real X servers and sockets answer, as sentences."""

from __future__ import annotations

import os
import secrets
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from desktop import screen
from desktop.cli import main
from desktop.screen import ScreenFacts, ScreenFault, debian_package, look_at_screen, screen_fault
from serving.workspace import Workspace
from tests.support.x_server import x_server


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XAUTHORITY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def authority(path: Path, display: str, cookie: bytes, host: str = "") -> str:
    """Write a file as `xauth` does, with the key of another display before."""
    name = (host or socket.gethostname()).encode()
    entries = []
    for number, key in (("987", bytes(16)), (display.strip(":"), cookie)):
        fields = (name, number.encode(), b"MIT-MAGIC-COOKIE-1", key)
        entries.append(
            struct.pack(">H", 256) + b"".join(struct.pack(">H", len(f)) + f for f in fields)
        )
    path.write_bytes(b"".join(entries))
    return str(path)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, bytes]]:
    """An X server that lets in who has its key: display and key."""
    cookie = secrets.token_bytes(16)
    path = tmp_path_factory.mktemp("x") / "authority"
    with x_server("-auth", authority(path, ":0", cookie)) as (_, display):
        yield display, cookie


def test_qt_says_what_it_draws_on(
    locked: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    display, cookie = locked
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("XAUTHORITY", authority(tmp_path / "key", display, cookie))
    assert screen_fault(os.environ) is None
    assert look_at_screen() == ScreenFacts("xcb", 1280, 800)


@pytest.mark.parametrize("key", [b"", bytes(range(16)), b"torn"])
def test_an_x_server_that_lets_nobody_in_is_a_sentence(
    locked: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: bytes
) -> None:
    display, cookie = locked
    # Under the name that the machine had before, or the key of another server.
    path = authority(tmp_path / "key", display, key or cookie, "" if key else "former")
    if key == b"torn":
        Path(path).write_bytes(Path(path).read_bytes()[:-3])  # ends in the middle of an entry
    monkeypatch.setenv("DISPLAY", f"{display}.0")
    monkeypatch.setenv("XAUTHORITY", path)
    found = look_at_screen()
    assert isinstance(found, ScreenFault)
    assert "does not let this user in" in found.what
    assert "XAUTHORITY" in found.advice


@pytest.mark.parametrize("display", [":987", "unix:987.0", "127.0.0.1:987"])
def test_a_display_that_nobody_answers_for_is_a_sentence(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, display: str
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    found = look_at_screen()
    assert isinstance(found, ScreenFault)
    assert f"DISPLAY names {display}, but no X server answers there" in found.what
    # The window says the same, where Qt would abort the process.
    result = CliRunner().invoke(main, ["--workspace", str(workspace.root), "open"])
    assert result.exit_code == 1
    assert found.what in result.stderr


def test_what_accepts_and_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screen, "ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        number = 0
        monkeypatch.setattr(screen, "_X_PORT", silent.getsockname()[1])
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{number}")
        found = look_at_screen()
    assert isinstance(found, ScreenFault)
    assert "no X server answers" in found.what


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "neither DISPLAY nor WAYLAND_DISPLAY"),
        ({"DISPLAY": "somewhere"}, "names no screen"),
        ({"WAYLAND_DISPLAY": "wayland-7"}, "XDG_RUNTIME_DIR is not set"),
        ({"WAYLAND_DISPLAY": "wayland-7", "XDG_RUNTIME_DIR": "/nowhere"}, "/nowhere/wayland-7"),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, "nobody sees it"),
    ],
)
def test_each_other_case_has_its_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = look_at_screen()
    assert isinstance(found, ScreenFault)
    assert words in found.what
    assert found.advice


def test_a_compositor_that_answers_is_left_to_qt(tmp_path: Path) -> None:
    path = tmp_path / "w"
    with socket.socket(socket.AF_UNIX) as compositor:
        compositor.bind(str(path))
        compositor.listen()
        variables = {"WAYLAND_DISPLAY": "w", "XDG_RUNTIME_DIR": str(tmp_path), "DISPLAY": ":987"}
        assert screen_fault(variables) is None


def test_a_missing_library_is_named_with_its_package(
    locked: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    display, cookie = locked
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("XAUTHORITY", authority(tmp_path / "key", display, cookie))
    # A library of the same name that needs one which is not there.
    source = tmp_path / "empty.c"
    source.write_text("")
    for name, needs in (("libgone-1.so.2", []), ("libxcb-cursor.so.0", ["libgone-1.so.2"])):
        subprocess.run(
            [
                *("cc", "-shared", "-o", name, f"-Wl,-soname,{name}", "-Wl,--no-as-needed"),
                *(str(source), *needs),
            ],
            cwd=tmp_path,
            check=True,
        )
    (tmp_path / "libgone-1.so.2").unlink()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    found = look_at_screen()
    assert isinstance(found, ScreenFault)
    assert "libgone-1.so.2 is missing" in found.what
    assert "libgone-1-2" in found.advice


def test_packages_are_called_as_debian_calls_them() -> None:
    libraries = ("libEGL.so.1", "libxcb-cursor.so.0", "libxkbcommon-x11.so.0", "libdbus-1.so.3")
    assert [debian_package(name) for name in libraries] == [
        *("libegl1", "libxcb-cursor0", "libxkbcommon-x11-0", "libdbus-1-3"),
    ]
