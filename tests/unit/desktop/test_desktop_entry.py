"""The entry that menus and "Open with" go by."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from desktop import desktop_entry
from desktop.cli import main


def test_it_is_added_and_removed_by_one_command_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    added = CliRunner().invoke(main, ["open", "--add-to-menu"])
    assert added.exit_code == 0, added.output
    path = tmp_path / "applications" / "servery.desktop"
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(path)
    fields = entry["Desktop Entry"]
    program, *rest = fields["exec"].split()
    assert rest[-2:] == ["open", "%F"]
    assert Path(program.strip('"')).is_file()
    assert "image/jpeg;" in fields["mimetype"]
    assert (tmp_path / "icons/hicolor/scalable/apps/servery.svg").is_file()
    assert CliRunner().invoke(main, ["open", "--remove-from-menu"]).exit_code == 0
    assert not path.exists()
    again = CliRunner().invoke(main, ["open", "--remove-from-menu"])
    assert "was not in the menu" in again.stderr


def test_names_of_programs_are_quoted(tmp_path: Path) -> None:
    odd = tmp_path / 'a "b" $c 100%'
    odd.symlink_to(sys.executable)
    quoted = desktop_entry._quoted(str(odd))
    # What a desktop makes of it: one level of backslashes, field codes, then shell-like quotes.
    shell = quoted.replace("\\\\", "\\").replace("%%", "%")
    run = subprocess.run(
        ["/bin/sh", "-c", f"{shell} -c 'print(1)'"], capture_output=True, text=True
    )
    assert run.stdout == "1\n"
