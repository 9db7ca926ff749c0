"""What a person chose, kept in the workspace as `settings.toml`."""

from __future__ import annotations

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
    """What becomes of the fleet and the backend when the window is closed."""

    ASK = "ask"
    STOP = "stop"
    KEEP = "keep running"


@dataclass(frozen=True)
class Preferences:
    """Every choice, with what holds until a person chooses otherwise."""

    appearance: Appearance = Appearance.SYSTEM
    engine: str = AUTO
    """auto, docker or process."""
    unsure_below: float = 0.5
    """Predictions whose best score is lower are marked as unsure."""
    on_quit: OnQuit = OnQuit.ASK
    put_off: str = ""
    """What Fleet offered to do about the engine and is not to offer again."""
    window: str = ""
    """Where the window was, as Qt wrote it, in base64."""


class Settings:
    """Reads, remembers and announces choices.

    A missing or unreadable file, and a value that makes no sense, count as not
    chosen: settings never stop the application from starting.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listeners: list[Callable[[Preferences], None]] = []
        self.preferences = _read(path)

    def change(self, **chosen: Any) -> Preferences:
        """Remember new values under the names of `Choices`, on disk and at once.

        Only what differs from the defaults is written, so that defaults can improve.
        """
        self.preferences = replace(self.preferences, **chosen)
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
        """Call `listener` after each change; returns how to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


def _read(path: Path) -> Preferences:
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return Preferences()
    known: dict[str, Any] = {}
    for field in fields(Preferences):
        if field.name not in raw:
            continue
        kind = type(getattr(Preferences, field.name))
        try:
            known[field.name] = kind(raw[field.name])
        except (TypeError, ValueError):
            continue
    return Preferences(**known)
