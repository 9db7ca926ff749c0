"""Lets a person hold up long work for a while; no Qt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pause:
    """Work asks it before each step, and waits while it is paused."""

    def __init__(self) -> None:
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        self._listeners: list[Callable[[], object]] = []

    @property
    def paused(self) -> bool:
        return not self._may_go_on.is_set()

    def subscribe(self, on_changed: Callable[[], object]) -> None:
        self._listeners.append(on_changed)

    def set_paused(self, paused: bool) -> None:
        """Hold up what asks from now on, or let it go on."""
        if paused == self.paused:
            return
        if paused:
            self._may_go_on.clear()
        else:
            self._may_go_on.set()
        for on_changed in self._listeners:
            on_changed()

    def toggle(self) -> None:
        self.set_paused(not self.paused)

    async def wait(self) -> None:
        """Return once work may go on, which is at once unless it is paused."""
        await self._may_go_on.wait()
