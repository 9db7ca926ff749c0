"""The backend's start waits for the first instance, which needs the processor more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from desktop import start_fleet
from desktop.start_fleet import wait_for_first_instance
from serving.engines.protocol import InstanceState
from serving.fleet.fleet import Fleet
from serving.fleet.view import FleetView
from tests.support.fleet_views import fleet_view, instance_view

STARTING = fleet_view(instance_view(state=InstanceState.STARTING))
READY = fleet_view(instance_view())


@dataclass
class FakeFleet:
    """A fleet that shows what a test sets."""

    view: FleetView
    configured: bool = True
    listeners: list[Callable[[FleetView], None]] = field(default_factory=list)

    def subscribe(self, listener: Callable[[FleetView], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def show(self, view: FleetView) -> None:
        for listener in self.listeners:
            listener(view)


async def wait(fleet: FakeFleet) -> None:
    await wait_for_first_instance(cast(Fleet, fleet))


async def test_it_waits_until_an_instance_can_answer() -> None:
    fleet = FakeFleet(fleet_view(), configured=False)
    waiting = asyncio.create_task(wait(fleet))
    await asyncio.sleep(0)
    fleet.show(STARTING)
    await asyncio.sleep(0)
    assert not waiting.done()
    fleet.show(READY)
    await waiting
    assert not fleet.listeners


@pytest.mark.parametrize("view", [READY, fleet_view()], ids=["ready", "stopped"])
async def test_it_does_not_wait_where_nothing_is_starting(view: FleetView) -> None:
    await wait(FakeFleet(view))


async def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_fleet, "FIRST_INSTANCE_SECONDS", 0.01)
    fleet = FakeFleet(STARTING)
    await wait(fleet)
    assert not fleet.listeners
