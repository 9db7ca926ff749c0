"""Follows on which instances the live versions have arrived."""

from __future__ import annotations

import asyncio
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

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(POLL_SECONDS)

    def look(self) -> None:
        """Look at the fleet once."""
        before, self._known = self._known, self._watch.look(self._view(), self._monotonic())
        for model in before.keys() | self._known.keys():
            if before.get(model) != self._known.get(model):
                self._broker.publish(Event("models", model))

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
