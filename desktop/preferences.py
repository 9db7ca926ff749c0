"""A person's preferences, as they are kept in the workspace's `settings.toml`."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from desktop.translation import LANGUAGES, SYSTEM
from serving.engines.names import AUTO, ENGINE_CHOICES
from serving.json_decode import decode
from serving.state_files import DamagedFile, UnreadableFile, read_file, text_of


class Appearance(StrEnum):
    """Which scheme a person has selected."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class OnQuit(StrEnum):
    """What happens to the fleet and the backend when the window is closed."""

    ASK = "ask"
    STOP = "stop"
    KEEP = "keep running"


@dataclass(frozen=True)
class Preferences:
    """Every preference with its default; the field names are the keys of the file."""

    appearance: Appearance = Appearance.SYSTEM
    language: str = SYSTEM
    """What the window speaks, from its next start on: a code of LANGUAGES, or SYSTEM."""
    engine: str = AUTO
    """auto, docker or process."""
    unsure_below: float = 0.5
    """Predictions whose best score is lower are marked unsure, where no familiarity is known."""
    on_quit: OnQuit = OnQuit.ASK
    close_to_tray: bool = False
    """A closed window leaves an icon in the tray, where there is one, and does not quit."""
    dismissed_action: str = ""
    """The EngineAction that Fleet suggested and is not to suggest again."""
    first_steps_done: bool = False
    """The first steps are not shown by themselves any more."""
    stack_near_duplicates: bool = True
    """The gallery shows photos that look nearly the same as one stack."""
    window: str = ""
    """Size and position of the window as Qt saves them, in base64."""


_FORMER_KEYS = {"dismissed_action": "put_off"}
"""Keys that files of earlier versions use."""

_VALID: dict[str, Callable[[Any], bool]] = {
    "language": (SYSTEM, *LANGUAGES).__contains__,
    "engine": ENGINE_CHOICES.__contains__,
    "unsure_below": lambda share: 0 <= share <= 1,
}


def damage_of_settings(path: Path) -> DamagedFile | None:
    """Return what is wrong with the file of settings; None if nothing is, or there is none."""
    try:
        read_preferences(path)
    except DamagedFile as error:
        return error
    except UnreadableFile:
        pass
    return None


def read_preferences(path: Path) -> Preferences:
    """Return the preferences in a file; the defaults if there is none.

    Raises DamagedFile also for an invalid value, and UnreadableFile.
    """
    raw = _read(path)
    values = _values(raw)
    for field in fields(Preferences):
        key = _key(field.name, raw)
        if key in raw and field.name not in values:
            raise DamagedFile(path, f"{key} cannot be {raw[key]!r}"[:200])
    return Preferences(**values)


def usable_preferences(path: Path) -> Preferences:
    try:
        return Preferences(**_values(_read(path)))
    except UnreadableFile:
        return Preferences()


def _read(path: Path) -> dict[str, Any]:
    """Return what is in the file of settings; raises DamagedFile, and UnreadableFile."""
    content = read_file(path)
    if not content:  # empty: everything is as it was
        return {}
    try:
        return tomllib.loads(text_of(content, path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DamagedFile(path, f"it is not TOML: {error}"[:200]) from None


def _values(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the valid values by the name of the preference; any other keeps its default."""
    values: dict[str, Any] = {}
    for field in fields(Preferences):
        key = _key(field.name, raw)
        if key in raw:
            kind = type(getattr(Preferences, field.name))
            with contextlib.suppress(ValueError):
                value = kind(decode(kind if kind in (bool, float) else str, raw[key]))
                if _VALID.get(field.name, _any_value)(value):
                    values[field.name] = value
    return values


def _key(name: str, raw: dict[str, Any]) -> str:
    return name if name in raw else _FORMER_KEYS.get(name, name)


def _any_value(value: object) -> bool:
    return True
