"""The user unit by which systemd runs `servery serve` from the start of the machine on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from serving.errors import ServeryError, storage_error
from serving.files import write_aside
from serving.programs import module_command, source_folder
from serving.workspace import ENVIRONMENT_VARIABLE, Workspace

UNIT_NAME = "servery.service"
STOP_SECONDS = 60
"""After which systemd kills what has not ended: instances answer first what they were sent."""
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@+-]+")


class ServiceError(ServeryError):
    """The service cannot be installed, or taken away."""


def unit_path() -> Path:
    """Return where systemd looks for the unit of a person."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".config"
    return base / "systemd" / "user" / UNIT_NAME


def unit_text(workspace: Workspace, arguments: Sequence[str]) -> str:
    """Return the unit that runs `servery serve` with `arguments` for a workspace."""
    command = [*module_command("desktop.cli"), "serve", *arguments]
    environment = [f"{ENVIRONMENT_VARIABLE}={workspace.root}"]
    if source := source_folder():
        environment.append(f"PYTHONPATH={source}")
    return "\n".join(
        (
            "[Unit]",
            "Description=Servery: image classifier with an HTTP API",
            "",
            "[Service]",
            f"ExecStart={' '.join(_quoted(word) for word in command)}",
            *(f"Environment={_quoted(each, is_command=False)}" for each in environment),
            "Restart=on-failure",
            "RestartSec=5",
            # To the program alone, which stops its instances in good order.
            "KillMode=mixed",
            f"TimeoutStopSec={STOP_SECONDS}",
            "UMask=0077",
            "NoNewPrivileges=yes",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        )
    )


def install_unit(text: str, *, start: bool) -> Path:
    """Write the unit, let systemd start it with the person's session, and at once if asked.

    Returns its path. Raises ServiceError.
    """
    systemctl = _systemctl()
    path = unit_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, text)
    except OSError as error:
        what = f"The unit cannot be written to {path}"
        raise storage_error(error, path, what, ServiceError) from error
    _run([systemctl, "--user", "daemon-reload"])
    _run([systemctl, "--user", "enable", *(["--now"] if start else []), UNIT_NAME])
    return path


def remove_unit() -> Path:
    """Stop the service, and remove its unit; returns where that was. Raises ServiceError."""
    systemctl = _systemctl()
    path = unit_path()
    if not path.exists():
        raise ServiceError("No service is installed.", "`servery service install` installs one.")
    _run([systemctl, "--user", "disable", "--now", UNIT_NAME])
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        what = f"The unit {path} cannot be removed"
        raise storage_error(error, path, what, ServiceError) from error
    _run([systemctl, "--user", "daemon-reload"])
    return path


def _systemctl() -> str:
    found = shutil.which("systemctl")
    if found is None:
        raise ServiceError(
            "This machine has no systemd, which would run the service.",
            "Let its own manager of services run what `servery service show` prints.",
        )
    return found


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=STOP_SECONDS)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines()
        raise ServiceError(
            f"systemd refused it: {said[-1] if said else f'it exited with {error.returncode}'}",
            "Log in with a session of your own (not by `su` or `sudo`), then try again.",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(
            f"systemd does not answer: {error}.", "Look at `systemctl --user status`."
        ) from error


def _quoted(word: str, *, is_command: bool = True) -> str:
    """Return a word as it stands in a unit, where %, $, quotes and backslashes mean something."""
    if not word.isprintable():
        raise ServiceError(
            f"{word!r} cannot stand in a unit of systemd.", "Use a folder with a plainer name."
        )
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if is_command:
        word = word.replace("$", "$$")
    return word if _PLAIN.fullmatch(word) else f'"{word}"'
