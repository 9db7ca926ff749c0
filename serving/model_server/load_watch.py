"""Whether the process takes memory for a version, and not for requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from serving.model_server.servable import Servable

SETTLING_SECONDS = 3.0
"""Its first answers take memory too, some of which is kept."""


class LoadWatch:
    """Loads versions with `load`, and knows whether one is loading or was a moment ago."""

    def __init__(
        self,
        load: Callable[[str, int, Path], Servable],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._clock = load, clock
        self._lock = threading.Lock()
        self._running = 0
        self._last_end: float | None = None

    def load(self, model: str, version: int, folder: Path) -> Servable:
        """Do what `load` does; may be called from several threads."""
        with self._lock:
            self._running += 1
        try:
            return self._load(model, version, folder)
        finally:
            with self._lock:
                self._running -= 1
                self._last_end = self._clock()

    def is_loading(self) -> bool:
        """Say whether a version is loading, or was within SETTLING_SECONDS."""
        end = self._last_end
        return self._running > 0 or (end is not None and self._clock() - end < SETTLING_SECONDS)
