"""Starts training runs without being asked: after enough new labels, or after a quiet time.

What waits is read from the database, so that a backend that starts finds it again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from backend.contract import Event, StartedBy, TrainingSettings
from backend.events import EventBroker
from backend.store.store import Store
from backend.training.trainer import ModelBusy, NothingToLearn, Trainer
from serving.errors import ServeryError

SETTLED_SECONDS = 2.0
"""How long nobody must have labelled before a run begins because of enough new labels: a program
that sends hundreds at once gets one run for all of them."""
TICK_SECONDS = 1.0
"""Between two looks at what waits, also while labels come many times a second: each look counts
labels, and lets the worker embed the new photos."""
POLL_SECONDS = 60.0
"""Between two looks at all models if other backends store labels too, whose notifications may be
lost."""
RETRY_SECONDS = 60.0
"""After a run that could not be queued."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unlearned:
    """What a model has not been trained on."""

    settings: TrainingSettings
    changed: int
    """Labels that are new since a run saw them, and photos whose label was taken back."""
    since: float
    """When the last of that was seen; monotonic seconds."""
    last: int
    """The number of the newest label."""


def reason_to_train(waiting: Unlearned, now: float) -> StartedBy | None:
    """Return why a model is to be trained now, or None if it is not."""
    quiet = now - waiting.since
    settings = waiting.settings
    if not settings.automatic or not waiting.changed:
        return None
    if waiting.changed >= settings.after_labels and quiet >= SETTLED_SECONDS:
        return StartedBy.COUNT
    return StartedBy.QUIET if quiet >= settings.quiet_seconds else None


class TrainingTriggers:
    """Queues a training run for each model for which it is time."""

    def __init__(
        self,
        store: Store,
        trainer: Trainer,
        broker: EventBroker,
        models: Callable[[], list[str]],
        clock: Callable[[], float] = time.monotonic,
        *,
        shared: bool = False,
    ) -> None:
        """`models` returns the names of all models; `clock` the time, in seconds.

        In a `shared` database other backends store labels too.
        """
        self._store = store
        self._trainer = trainer
        self._broker = broker
        self._models = models
        self._clock = clock
        self._stale: set[str] = set()
        self._waiting: dict[str, Unlearned] = {}
        self._labeled: dict[str, float] = {}
        """When models were last labelled, those that were not looked at since."""
        self._looked: dict[str, float] = {}
        self._not_before = 0.0
        self._next_look = clock() + POLL_SECONDS if shared else math.inf

    async def run(self) -> None:
        """Watch until cancelled, or until the broker is closed."""
        self._stale.update(await asyncio.to_thread(self._models))
        async for event in self._broker.listen(TICK_SECONDS):
            if event is not None:
                await self.on_event(event)
            await self.check()

    async def on_event(self, event: Event) -> None:
        """Look again at what an event says has changed."""
        if event.topic == "labels" and event.id:
            self._stale.add(event.id)
            self._labeled[event.id] = self._clock()
        elif event.topic == "training" and not event.id:  # the settings of a model
            self._stale.update(await asyncio.to_thread(self._models))

    async def check(self) -> None:
        """Queue the runs for which it is time now."""
        now = self._clock()
        if now < self._not_before:
            return
        if now >= self._next_look:
            self._next_look = now + POLL_SECONDS
            self._stale.update(await asyncio.to_thread(self._models))
        try:
            for model in sorted(self._stale):
                # What a run that goes on does not learn, the next one does.
                is_due = now - self._looked.get(model, -math.inf) >= TICK_SECONDS
                if is_due and not self._trainer.is_busy(model):
                    self._stale.discard(model)
                    self._looked[model] = now
                    await self._look_at(model, now)
            for model, waiting in list(self._waiting.items()):
                if model in self._stale:
                    continue
                reason = reason_to_train(waiting, now)
                if reason is not None and not self._trainer.is_busy(model):
                    await self._train(model, reason)
        except ServeryError as error:
            _log.error("Training could not be started by itself: %s", error)
            self._not_before = now + RETRY_SECONDS
            self._stale.update(self._waiting)

    async def _look_at(self, model: str, now: float) -> None:
        settings = await self._store.runs.settings(model)
        attempted = await self._store.runs.last_attempted(model)
        # Nothing comes of it otherwise, and settings that change are looked at again.
        changed = await self._store.labels.changed(model, attempted) if settings.automatic else 0
        last = await self._store.labels.last(model)
        labeled = self._labeled.pop(model, now)
        before = self._waiting.get(model)
        same = before is not None and (before.changed, before.last) == (changed, last)
        if changed:
            await self._embed_ahead(model)
        self._waiting[model] = Unlearned(
            settings=settings,
            changed=changed,
            since=before.since if before is not None and same else labeled,
            last=last,
        )

    async def _embed_ahead(self, model: str) -> None:
        try:
            await self._trainer.embed_ahead(model)
        except ServeryError as error:  # the run says so too, to whom it concerns
            _log.info("Photos of %s were not embedded ahead: %s", model, error)

    async def _train(self, model: str, reason: StartedBy) -> None:
        # Whatever becomes of it: labels that come later are looked at again.
        del self._waiting[model]
        self._stale.add(model)
        try:
            await self._trainer.queue(model, reason)
        except NothingToLearn:
            self._stale.discard(model)
        except ModelBusy:  # it is being renamed, or its classes are being changed
            self._not_before = self._clock() + SETTLED_SECONDS
