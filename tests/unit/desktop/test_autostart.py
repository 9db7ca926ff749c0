"""Servery starts at login by a file that the desktop reads."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from desktop.autostart import (
    AutostartNotChanged,
    autostart_file,
    set_starts_at_login,
    starts_at_login,
)
from serving.workspace import Workspace


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


def test_it_is_off_until_it_is_switched_on(config: Path, workspace: Workspace) -> None:
    assert not starts_at_login()
    set_starts_at_login(True, workspace)
    assert starts_at_login()
    assert autostart_file() == config / "autostart" / "servery.desktop"
    set_starts_at_login(False, workspace)
    set_starts_at_login(False, workspace)
    assert not starts_at_login()
    assert list((config / "autostart").iterdir()) == []


def test_the_file_names_the_program_and_the_workspace(tmp_path: Path) -> None:
    odd = Workspace(tmp_path / 'a "b" $c `d` \\e 100% f')
    set_starts_at_login(True, odd)
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(autostart_file())
    entry = parser["Desktop Entry"]
    assert entry["Type"] == "Application"
    command = _words(entry["Exec"])
    assert command[-4:] == ["-m", "desktop", "--workspace", str(odd.root)]
    assert (Path(entry["Path"]) / "desktop").is_dir()


@pytest.mark.parametrize("line", ["Hidden=true", "X-GNOME-Autostart-enabled=false"])
def test_another_program_can_switch_it_off(line: str, workspace: Workspace) -> None:
    set_starts_at_login(True, workspace)
    with autostart_file().open("a") as file:
        file.write(f"{line}\n")
    assert not starts_at_login()
    set_starts_at_login(True, workspace)
    assert starts_at_login()


def test_a_folder_that_refuses_the_file_is_said(config: Path, workspace: Workspace) -> None:
    config.write_text("a file in its place")
    with pytest.raises(AutostartNotChanged):
        set_starts_at_login(True, workspace)


def test_a_relative_folder_of_settings_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert autostart_file() == tmp_path / ".config" / "autostart" / "servery.desktop"


def _words(value: str) -> list[str]:
    """Return the words of a line `Exec`, read as the Desktop Entry Specification says."""
    value = value.replace("\\\\", "\\")  # as every string in such a file
    words: list[str] = []
    position = 0
    while position < len(value):
        assert value[position] == '"'
        position, word = position + 1, ""
        while value[position] != '"':
            if value[position] == "\\":
                position += 1
            word += value[position]
            position += 1
        words.append(word.replace("%%", "%"))
        position += 2
    return words
