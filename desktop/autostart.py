"""Starts Servery with the person's desktop, by a file that every desktop environment reads.

The file is the setting: another program, or the person, may remove it. Format and folder are those
of the Desktop Application Autostart Specification.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from desktop.translation import tr
from serving.errors import ServeryError, storage_error
from serving.files import write_aside
from serving.private import persons_umask
from serving.programs import module_command, source_folder
from serving.workspace import Workspace

_NAME = "servery.desktop"
_QUOTED = str.maketrans({each: f"\\{each}" for each in '\\"`$'} | {"%": "%%"})
_STRING = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class AutostartNotChanged(ServeryError):
    """The file could not be written or removed."""


def autostart_file() -> Path:
    """Return the file that starts Servery, whether there is one or not."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    # A relative path there is to be ignored, says the specification.
    base = Path(folder) if folder and Path(folder).is_absolute() else Path.home() / ".config"
    return base / "autostart" / _NAME


def starts_at_login() -> bool:
    """Whether there is such a file, and it does not say that it is switched off."""
    try:
        lines = autostart_file().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    off = ("Hidden=true", "X-GNOME-Autostart-enabled=false")
    return not any(line.replace(" ", "") in off for line in lines)


def set_starts_at_login(starts: bool, workspace: Workspace) -> None:
    """Write the file, for this workspace, or remove it; raises AutostartNotChanged."""
    path = autostart_file()
    try:
        if starts:
            with persons_umask():  # the folder is the desktop's, not one of ours
                path.parent.mkdir(parents=True, exist_ok=True)
                write_aside(path, _entry(workspace))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        what = tr("Whether Servery starts at login could not be changed")
        raise storage_error(error, path, what, AutostartNotChanged) from error


def _entry(workspace: Workspace) -> str:
    lines = [
        "[Desktop Entry]",
        "Type=Application",
        "Name=Servery",
        f"Exec={_exec([*_program(), '--workspace', str(workspace.root)])}",
        "Terminal=false",
    ]
    if source := source_folder():
        lines.append(f"Path={source.translate(_STRING)}")
    return "\n".join(lines) + "\n"


def _program() -> list[str]:
    """Return the command that starts the window."""
    if getattr(sys, "frozen", False):
        # An AppImage is unpacked into a folder that is another one the next time.
        return [os.environ.get("APPIMAGE") or sys.executable]
    return module_command("desktop")


def _exec(command: list[str]) -> str:
    """Return `command` quoted as the Desktop Entry Specification asks."""
    quoted = " ".join(f'"{word.translate(_QUOTED)}"' for word in command)
    return quoted.translate(_STRING)
