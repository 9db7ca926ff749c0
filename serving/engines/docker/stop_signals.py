"""Signals that containers got from anyone but Servery."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from serving.engines.docker import names

STOP_SIGNAL = str(int(signal.SIGTERM))


class StopSignals:
    """Records the signals of each container since its start, from the engine's events.

    Servery renames a container before it stops it, and events carry the name, so
    its own signals are told from others.
    """

    def __init__(self) -> None:
        self._got: dict[str, list[str]] = {}

    def record(self, event: Mapping[str, Any]) -> None:
        """Record one event."""
        actor = event.get("Actor") or {}
        attributes = actor.get("Attributes") or {}
        container = str(actor.get("ID") or "")
        action = event.get("Action")
        if action == "start":
            self._got.pop(container, None)
        elif action == "kill" and not names.is_stopping([str(attributes.get("name", ""))]):
            self._got.setdefault(container, []).append(str(attributes.get("signal", "")))

    def last(self, container: str) -> str:
        """Return the number of the last signal; empty if there was none."""
        return self._got.get(container, [""])[-1]

    def stop_requested(self, container: str) -> bool:
        """Whether one of them was the signal of a stop or a restart."""
        return STOP_SIGNAL in self._got.get(container, [])

    def keep_only(self, containers: set[str]) -> None:
        """Remove every other container."""
        for container in self._got.keys() - containers:
            self._got.pop(container, None)
