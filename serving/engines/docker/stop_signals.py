"""Signals that containers got from anyone but Servery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.engines.docker import names


class StopSignals:
    """Records the signals of each container since its start, from the engine's events.

    Servery renames a container before it stops it, and events carry the name, so
    its own signals are told from others.
    """

    def __init__(self) -> None:
        self._signals: dict[str, list[str]] = {}

    def record(self, event: Mapping[str, Any]) -> None:
        """Record one event."""
        actor = event.get("Actor") or {}
        attributes = actor.get("Attributes") or {}
        container = str(actor.get("ID") or "")
        number = str(attributes.get("signal") or "")
        own = names.is_stopping([str(attributes.get("name", ""))])
        if event.get("Action") == "start":
            self._signals.pop(container, None)
        elif event.get("Action") == "kill" and number and not own:
            self._signals.setdefault(container, []).append(number)

    def of(self, container: str) -> Sequence[str]:
        """Return the numbers of its signals, the last one last."""
        return self._signals.get(container, ())

    def keep_only(self, containers: set[str]) -> None:
        """Remove every other container."""
        for container in self._signals.keys() - containers:
            self._signals.pop(container, None)
