"""Tells the other backends of one database what changed here, and hears it from them."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict

from backend.contract import Event
from backend.events import MAX_PENDING, EventBroker
from backend.store.database import DatabaseNotifications
from serving.errors import ServeryError
from serving.json_decode import decode

SEND_SECONDS = 0.1
"""How long events are collected before they are sent together: a training run reports its progress
in many of them."""
RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class EventRelay:
    """Joins the broker of this program with those of the others.

    What cannot be sent waits; what was missed while there was no connection is made up for by
    telling the listeners here that everything may have changed.
    """

    def __init__(
        self,
        notifications: DatabaseNotifications,
        broker: EventBroker,
        everything: Callable[[], Iterable[Event]],
    ) -> None:
        """`everything` returns the events that say of all there is that it has changed."""
        self._notifications = notifications
        self._broker = broker
        self._everything = everything
        self._own = secrets.token_hex(8)
        """By which it knows its own events again."""
        self._pending: dict[Event, None] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Send and receive until cancelled."""
        self._broker.pass_on = self._add
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send())
                tasks.create_task(self._receive())
        finally:
            self._broker.pass_on = None

    def _add(self, event: Event) -> None:
        if event not in self._pending and len(self._pending) >= MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        self._pending[event] = None
        self._changed.set()

    async def _send(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.sleep(SEND_SECONDS)
            sent, self._pending = self._pending, {}
            texts = [json.dumps({"from": self._own, **asdict(event)}) for event in sent]
            try:
                await self._notifications.notify(texts)
            except ServeryError as error:
                _log.info("Other backends could not be told of a change: %s", error)
                for event in sent:
                    self._add(event)
                await asyncio.sleep(RETRY_SECONDS)

    async def _receive(self) -> None:
        async for text in self._notifications.listen():
            if text is None:
                for event in await asyncio.to_thread(lambda: list(self._everything())):
                    self._broker.publish_here(event)
            elif (heard := self._read(text)) is not None:
                self._broker.publish_here(heard)

    def _read(self, text: str) -> Event | None:
        """Return the event of another program; None for an own one, and for what is none."""
        try:
            raw = json.loads(text)
            if raw.pop("from", "") == self._own:
                return None
            return decode(Event, raw)
        except (ValueError, AttributeError, TypeError):
            _log.warning("What another program sent is no event: %.100s", text)
            return None


def all_events(models: Callable[[], Iterable[str]]) -> list[Event]:
    """Return the events that say of all there is that it may have changed."""
    return [Event("models"), Event("training"), *(Event("labels", model) for model in models())]
