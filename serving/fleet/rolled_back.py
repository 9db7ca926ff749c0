"""What a fleet does when its engine takes new instances back that did not come up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from serving.background import finish
from serving.engines.protocol import (
    CHANGING_STATES,
    ROLLBACK_STATES,
    Engine,
    InstanceState,
    ReplicatedService,
)
from serving.errors import EngineError
from serving.fleet.record import FleetRecord, InstanceLimits, RecordFile
from serving.fleet.view import FleetView
from serving.models.fleet_image import FleetImage
from serving.models.fleet_image_change import move_fleet_image
from serving.models.repository import ModelRepository

MAX_FAILURES = 2
"""Instances that end one after the other before a caller that waits for the change gets an
error."""


class UpdateWatch:
    """Follows, for whoever waits for a change, whether an engine carries it out."""

    def __init__(self) -> None:
        self._first: tuple[object, str] | None = None
        self._known: set[str] = set()
        """Instances that had failed before."""
        self._failed: dict[str, str] = {}
        """Why each of the others failed, by id."""
        self._reason = ""

    def look(self, service: ReplicatedService | None, view: FleetView) -> None:
        """Note what an engine that replicates by itself says now; None for other engines."""
        if service is None:
            return
        state = service.update, service.update_started
        failed = {
            each.instance.id: each.instance.failure
            for each in view.instances
            if each.state is InstanceState.FAILED
        }
        if self._first is None:
            self._first, self._known = state, set(failed)
        if service.update in ROLLBACK_STATES:
            is_over = service.update not in CHANGING_STATES
            if is_over and state != self._first:
                self._reason = service.sentence
            return
        if service.update not in CHANGING_STATES:
            self._failed |= {name: why for name, why in failed.items() if name not in self._known}

    def raise_if_failed(self) -> None:
        """Raise EngineError if what was asked for did not come up."""
        if self._reason:
            raise EngineError(
                self._reason,
                "The fleet goes on as before. Look at the logs of the instances, or at the nodes,"
                " then try again.",
            )
        if len(self._failed) >= MAX_FAILURES:
            name, why = list(self._failed.items())[-1]
            raise EngineError(
                f"Instance {name} does not run. {why}",
                f"Look at its log (`servery fleet logs {name}` prints it). The swarm goes on"
                " trying.",
            )


async def return_to_former(
    record: RecordFile,
    repository: ModelRepository,
    engine: Engine,
    is_former: Callable[[InstanceLimits, FleetImage | None], bool],
) -> None:
    """Let the record, and the version that is live, be what the engine went back to.

    `is_former` says whether it went back to instances with these limits, from this image of a
    model; if it did not, what the record says stays, and is not tried again.
    """
    former = record.read().former_limits
    if former is None:
        return
    image = None
    if former.image:
        baked = await engine.baked_model(former.image)
        if baked is not None:
            image = FleetImage(former.image, baked.model, baked.version, baked.digest)
    if not is_former(former, image):
        await record.change(lambda now: replace(now, former_limits=None))
        return
    await finish(asyncio.to_thread(move_fleet_image, repository, image))

    def go_back(now: FleetRecord) -> FleetRecord:
        return replace(now, limits=former, former_limits=None, applied="", failures=())

    await record.change(go_back)
