"""Follows on which instances the live versions have arrived."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

from backend.contract import Event, RolloutSummary
from backend.events import EventBroker
from serving.fleet.rollout import Rollout, RolloutWatch
from serving.fleet.view import FleetView

POLL_SECONDS = 1.0


class Rollouts:
    """Where each served model's live version is; publishes when that changes.

    `view` returns the fleet as it was seen last.
    """

    def __init__(
        self,
        view: Callable[[], FleetView],
        broker: EventBroker,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view = view
        self._broker = broker
        self._monotonic = monotonic
        self._watch = RolloutWatch()
        self._known: Mapping[str, Rollout] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Look after each `wake`, and once a second while a version is not everywhere."""
        while True:
            self._changed.clear()
            self.look()
            is_over = all(each.everywhere for each in self._known.values())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if is_over else POLL_SECONDS):
                    await self._changed.wait()

    def wake(self) -> None:
        """Look again, since the fleet has changed."""
        self._changed.set()

    def look(self) -> None:
        """Look at the fleet once."""
        before, self._known = self._known, self._watch.look(self._view(), self._monotonic())
        for model in before.keys() | self._known.keys():
            if before.get(model) != self._known.get(model):
                # Other backends see their own fleet.
                self._broker.publish_here(Event("models", model))

    def of(self, model: str) -> RolloutSummary:
        """Return where the live version of a model is; of none if it is not served."""
        self.look()
        rollout = self._known.get(model, Rollout(model, None))
        return RolloutSummary(
            model=model,
            version=rollout.version,
            live=list(rollout.live),
            waiting=list(rollout.waiting),
            late=list(rollout.late),
            everywhere=rollout.everywhere,
            sentence=rollout.sentence,
        )
