"""Keeps a person's preferences in memory and in the workspace's `settings.toml`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from desktop.preferences import OnQuit, Preferences, damage_of_settings, usable_preferences
from desktop.translation import tr
from serving.errors import ServeryError, storage_error
from serving.files import write_aside
from serving.state_files import set_aside
from serving.workspace import DAMAGED_NAME

__all__ = ["OnQuit", "Preferences", "Settings", "SettingsNotSaved"]

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""Between two tries to save what the disk refused."""


class SettingsNotSaved(ServeryError):
    """The settings could not be written to disk."""


class Settings:
    """Reads and writes the preferences, and notifies listeners of changes.

    A missing or damaged file and an invalid value count as the default: settings never stop
    the application from starting. A damaged file is moved aside before another is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._damaged = path.parent / DAMAGED_NAME
        self._listeners: list[Callable[[Preferences], None]] = []
        self.on_error: Callable[[SettingsNotSaved], object] = lambda error: log.error("%s", error)
        self.preferences = usable_preferences(path)
        self._is_saved = True

    def change(self, **values: Any) -> Preferences:
        """Set fields of `Preferences`, in memory and on disk.

        Only what differs from the defaults is written, so that defaults can improve. If the disk
        refuses them, `on_error` gets why, they count all the same, and `keep_saved` goes on trying.
        """
        self.preferences = replace(self.preferences, **values)
        for listener in list(self._listeners):
            listener(self.preferences)
        try:
            self._save()
        except OSError as error:
            what = tr("The settings could not be saved")
            self.on_error(storage_error(error, self._path, what, SettingsNotSaved))
        return self.preferences

    async def keep_saved(self) -> None:
        """Write what the disk refused as soon as it takes it, until cancelled."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if not self._is_saved:
                with contextlib.suppress(OSError):
                    self._save()

    def _save(self) -> None:
        """Write the preferences; raises OSError."""
        self._is_saved = False
        defaults = asdict(Preferences())
        lines = [
            f"{name} = {json.dumps(value)}\n"
            for name, value in asdict(self.preferences).items()
            if value != defaults[name]
        ]
        if damage_of_settings(self._path) is not None:
            set_aside(self._path, self._damaged)
        write_aside(self._path, "".join(lines))
        self._is_saved = True

    def subscribe(self, listener: Callable[[Preferences], None]) -> Callable[[], None]:
        """Call `listener` after each change; returns a function that ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
