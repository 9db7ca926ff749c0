"""Servery in the menu of applications, and in "Open with" of file managers: a desktop entry."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from serving.errors import ServeryError, storage_error
from serving.files import write_export
from serving.programs import module_command

_ICON = Path(__file__).resolve().parents[1] / "resources" / "icons" / "servery.svg"
_TYPES = ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif")
"""Of images that are read. Not folders: some desktops would open every folder with Servery."""
_SPECIAL = '"`$\\'
"""Characters that a quoted argument has a backslash before."""


class EntryError(ServeryError):
    """The entry could not be written or removed."""


def add_to_menu() -> Path:
    """Write the entry and its icon for this person; returns the entry. Raises EntryError."""
    entry, icon = _files()
    try:
        write_export(icon, _ICON.read_bytes())
        write_export(entry, _content(_command()))
    except OSError as error:
        what = "Servery could not be added to the menu"
        raise storage_error(error, entry, what, EntryError) from error
    return entry


def remove_from_menu() -> bool:
    """Remove what `add_to_menu` wrote; returns whether there was anything. Raises EntryError."""
    entry, icon = _files()
    found = entry.exists()
    try:
        entry.unlink(missing_ok=True)
        icon.unlink(missing_ok=True)
    except OSError as error:
        what = "Servery could not be removed from the menu"
        raise storage_error(error, entry, what, EntryError) from error
    return found


def _files() -> tuple[Path, Path]:
    named = os.environ.get("XDG_DATA_HOME", "")
    home = Path(named) if named.startswith("/") else Path.home() / ".local" / "share"
    return (
        home / "applications" / "servery.desktop",  # its name is that of the window's application
        home / "icons" / "hicolor" / "scalable" / "apps" / "servery.svg",
    )


def _command() -> list[str]:
    script = Path(sys.executable).with_name("servery")
    return [str(script)] if script.is_file() else [*module_command("desktop.cli")]


def _content(command: Sequence[str]) -> str:
    types = "".join(f"image/{kind};" for kind in _TYPES)
    return f"""[Desktop Entry]
Type=Application
Name=Servery
GenericName=Image classifier
Comment=Say what photos show, on this machine
Exec={" ".join(map(_quoted, command))} open %F
Icon=servery
Terminal=false
Categories=Graphics;Photography;
MimeType={types}
StartupNotify=true
StartupWMClass=servery
"""


def _quoted(argument: str) -> str:
    """Return an argument as Exec has it, by the Desktop Entry Specification."""
    quoted = "".join(f"\\{char}" if char in _SPECIAL else char for char in argument)
    # A backslash is doubled once more, as in every string of the file; % begins a field code.
    return '"' + quoted.replace("\\", "\\\\").replace("%", "%%") + '"'
