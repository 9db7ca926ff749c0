"""Watching, for as long as the backend runs, the instances that others start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from backend.contract import Event
from backend.events import EventBroker
from serving.engines.choose import engine_with_instances
from serving.engines.switch import EngineSwitch
from serving.errors import ServeryError
from serving.fleet.fleet import Fleet
from serving.fleet.view import FleetView
from serving.models.faults import VersionFault
from serving.workspace import Workspace

POLL_SECONDS = 2.0
"""Between two checks which engine the instances run on, while none run on the one watched."""
SETTLED_SECONDS = 60.0
"""Between two of them while some do, and stay the same."""
RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


async def watch_fleet(fleet: Fleet) -> None:
    """Keep the fleet's view current, whatever goes wrong meanwhile."""
    while True:
        try:
            await fleet.watch()
        except ServeryError as error:
            _log.warning("The fleet cannot be watched: %s", error)
        except Exception:
            _log.exception("Watching the fleet failed")
        await asyncio.sleep(RETRY_SECONDS)


def publish_faults(fleet: Fleet, broker: EventBroker) -> Callable[[], None]:
    """Publish when it turns out that a live version cannot be served; returns its undo."""
    known: Mapping[str, VersionFault] = {}

    def compare(view: FleetView) -> None:
        nonlocal known
        before, known = known, view.faults
        for model in before.keys() | known.keys():
            if before.get(model) != known.get(model):
                # Other backends see their own fleet.
                broker.publish_here(Event("models", model))

    return fleet.subscribe(compare)


async def follow_engine(fleet: Fleet, switch: EngineSwitch, workspace: Workspace) -> None:
    """Watch the other engine too once somebody moves the fleet there."""
    moving = asyncio.Event()
    known: set[str] = set()

    def compare(view: FleetView) -> None:
        nonlocal known
        before, known = known, {each.instance.id for each in view.instances}
        if before - known:  # who moves a fleet stops its instances here, one by one
            moving.set()

    unsubscribe = fleet.subscribe(compare)
    try:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLED_SECONDS if known else POLL_SECONDS):
                    await moving.wait()
            moving.clear()
            await _find_engine(switch, workspace)
            # A move that goes on is looked at again and again.
            await asyncio.sleep(POLL_SECONDS)
    finally:
        unsubscribe()


async def _find_engine(switch: EngineSwitch, workspace: Workspace) -> None:
    try:
        other = await engine_with_instances(switch.current, workspace)
    except Exception:
        _log.exception("Looking for the engine with the instances failed")
        return
    if other is not None:
        switch.switch_to(other)
    for idle in await switch.release_idle():
        await idle.close()
