"""A person's preferences, kept in the workspace as `settings.toml`."""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from desktop.theme import Appearance
from serving.engines.names import AUTO
from serving.files import write_aside


class OnQuit(StrEnum):
    """What happens to the fleet and the backend when the window is closed."""

    ASK = "ask"
    STOP = "stop"
    KEEP = "keep running"


@dataclass(frozen=True)
class Preferences:
    """Every preference with its default; the field names are the keys of the file."""

    appearance: Appearance = Appearance.SYSTEM
    engine: str = AUTO
    """auto, docker or process."""
    unsure_below: float = 0.5
    """Predictions whose best score is lower are marked unsure."""
    on_quit: OnQuit = OnQuit.ASK
    dismissed_action: str = ""
    """The EngineAction that Fleet suggested and is not to suggest again."""
    window: str = ""
    """Size and position of the window as Qt saves them, in base64."""


_FORMER_KEYS = {"dismissed_action": "put_off"}
"""Keys that files of earlier versions use."""


class Settings:
    """Reads and writes the preferences, and notifies listeners of changes.

    A missing or unreadable file and an invalid value count as the default:
    settings never stop the application from starting.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listeners: list[Callable[[Preferences], None]] = []
        self.preferences = _read(path)

    def change(self, **values: Any) -> Preferences:
        """Set fields of `Preferences`, in memory and on disk.

        Only what differs from the defaults is written, so that defaults can improve.
        """
        self.preferences = replace(self.preferences, **values)
        defaults = asdict(Preferences())
        lines = [
            f"{name} = {json.dumps(value)}\n"
            for name, value in asdict(self.preferences).items()
            if value != defaults[name]
        ]
        write_aside(self._path, "".join(lines))
        for listener in list(self._listeners):
            listener(self.preferences)
        return self.preferences

    def subscribe(self, listener: Callable[[Preferences], None]) -> Callable[[], None]:
        """Call `listener` after each change; returns a function that ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


def _read(path: Path) -> Preferences:
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return Preferences()
    values: dict[str, Any] = {}
    for field in fields(Preferences):
        key = field.name if field.name in raw else _FORMER_KEYS.get(field.name, "")
        if key in raw:
            kind = type(getattr(Preferences, field.name))
            # A value of the wrong type or of no member of the enum keeps the default.
            with contextlib.suppress(TypeError, ValueError):
                values[field.name] = kind(raw[key])
    return Preferences(**values)
