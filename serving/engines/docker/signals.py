"""Which signals containers got from somebody other than Servery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.engines.docker import names


class Signals:
    """Remembers the last one of each container, from the engine's events.

    Servery renames a container before it stops it, and the events carry the name.
    """

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def note(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        actor = event.get("Actor") or {}
        said = actor.get("Attributes") or {}
        container = str(actor.get("ID") or "")
        action = event.get("Action")
        if action == "start":
            self._last.pop(container, None)
        elif action == "kill" and not names.is_stopping([str(said.get("name", ""))]):
            self._last[container] = str(said.get("signal", ""))

    def last(self, container: str) -> str:
        """Return the number of the last signal; empty where none was seen."""
        return self._last.get(container, "")

    def keep_only(self, containers: set[str]) -> None:
        """Forget every other container."""
        for container in self._last.keys() - containers:
            self._last.pop(container, None)
