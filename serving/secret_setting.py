"""Settings with something secret in them: in the environment, or in a file that it names."""

from __future__ import annotations

import os
from pathlib import Path

from serving.errors import ServeryError
from serving.state_files import UnreadableFile, read_file

_MAX_BYTES = 2**12


class SettingError(ServeryError):
    """A setting cannot be read."""


def secret_setting(name: str) -> str:
    """Return the variable `name`, or what is in the file that `name_FILE` names.

    Without spaces around it; empty if neither is set. Raises SettingError if the file cannot be
    read, as containers get secrets in one.
    """
    value = os.environ.get(name, "").strip()
    path = os.environ.get(f"{name}_FILE", "").strip()
    if value or not path:
        return value
    try:
        content = read_file(Path(path), _MAX_BYTES)
    except UnreadableFile as error:
        raise SettingError(error.what, f"Check the file that {name}_FILE names.") from error
    if content is None:
        raise SettingError(
            f"There is no file {path}.", f"Check the variable {name}_FILE, which names it."
        )
    return content.decode(errors="replace").strip()
