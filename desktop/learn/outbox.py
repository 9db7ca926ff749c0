"""Labels on their way to the backend: on disk first, sent when it answers.

A label is in the desktop's database before `submit` returns, and leaves it only
when the backend has acknowledged it. Every label carries a key that the backend
uses to recognise one it has already stored, so sending twice stores once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from backend.client import BackendRefused
from backend.contract import BatchLabel, Label, LabelAction, LabelKind
from desktop.learn.outbox_store import LabelStatement, OutboxEntry, OutboxStore, RefusedLabel
from desktop.translation import tr
from serving.background import in_background
from serving.errors import BackendError, ServeryError

log = logging.getLogger(__name__)

INITIAL_BACKOFF = 0.5
MAX_BACKOFF = 30.0
"""Seconds between two tries while the backend is away; doubled from the first to the last."""


class LabelReceiver(Protocol):
    """The part of BackendClient that an outbox needs."""

    async def label(
        self,
        image: bytes | str,
        class_name: str = "",
        *,
        kind: LabelKind = LabelKind.CLASS,
        by: str = "",
        settles: bool = False,
        batch: str | None = None,
        model: str | None = None,
        key: str | None = None,
        said_at: str = "",
    ) -> Label: ...

    async def label_batch(self, batch: BatchLabel, *, key: str | None = None) -> LabelAction: ...

    async def undo_label(self, label_id: int) -> None: ...

    async def undo_action(self, action: int) -> LabelAction: ...


@dataclass(frozen=True)
class QueuedLabel:
    """A label that is safe on disk; what `Outbox.undo` takes."""

    key: str
    images: tuple[str, ...]
    """SHA-256 of each normalized JPEG, in hex."""
    statement: LabelStatement


@dataclass(frozen=True)
class OutboxView:
    """The state of the outbox at one moment."""

    pending: int = 0
    """Labels (and undone labels) that the backend has not acknowledged."""
    refused: tuple[RefusedLabel, ...] = ()
    problem: str = ""
    """Why labels are waiting, as a sentence; empty while none is."""


class Outbox:
    """Keeps labels until the backend has them; an async context manager.

    While it is open, a background task delivers, and retries while the backend is
    away. Labels of one image are delivered in the order in which they were submitted;
    an image that keeps failing does not hold up the others.
    """

    def __init__(
        self,
        database: Path,
        receiver: LabelReceiver,
        *,
        initial_backoff: float = INITIAL_BACKOFF,
        max_backoff: float = MAX_BACKOFF,
    ) -> None:
        self._store = OutboxStore(database)
        self._receiver = receiver
        self._initial_backoff = initial_backoff
        self._max_backoff = max_backoff
        self._view = OutboxView()
        self._listeners: list[Callable[[OutboxView], None]] = []
        self._failures: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Outbox:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._store.database.close)
            await self._refresh("")
            await stack.enter_async_context(in_background(self._deliver(), name="outbox"))
            self._resources = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._resources.aclose()

    @property
    def view(self) -> OutboxView:
        return self._view

    def subscribe(self, listener: Callable[[OutboxView], None]) -> Callable[[], None]:
        """Call `listener` with every later view; returns a function that unsubscribes it."""
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    async def submit(
        self,
        jpeg: bytes,
        class_name: str | None,
        model: str = "",
        *,
        batch: str = "",
    ) -> QueuedLabel:
        """Take a label for a normalized JPEG; it is on disk when this returns.

        Without a class, the photo shows none of them. `model` is the one that is to learn it;
        empty for the one that is current when the label is sent. Labels with the same `batch`
        are one action. Raises LabelNotSaved if it cannot be written.
        """
        image = hashlib.sha256(jpeg).hexdigest()
        kind = LabelKind.NONE if class_name is None else LabelKind.CLASS
        return await self._add(
            (image,), jpeg, LabelStatement(class_name or "", model, kind, batch=batch)
        )

    async def submit_known(self, images: Sequence[str], statement: LabelStatement) -> QueuedLabel:
        """Take one label for all of some photos that the backend has, in the way of `submit`.

        `images` are the SHA-256 of their normalized JPEGs.
        """
        return await self._add(tuple(images), None, statement)

    async def undo(self, label: QueuedLabel) -> None:
        """Take a label back, however far it has got.

        One that was never sent is deleted; any other is removed from the backend, which
        is retried as sending is.
        """
        await self._store.withdraw(label.key, label.images, label.statement)
        await self._changed()

    async def _add(
        self, images: tuple[str, ...], jpeg: bytes | None, statement: LabelStatement
    ) -> QueuedLabel:
        key = uuid.uuid4().hex
        await self._store.add(key, images, jpeg, statement)
        await self._changed()
        return QueuedLabel(key, images, statement)

    async def retry_refused(self) -> None:
        """Send the labels that were refused again."""
        await self._store.accept_refused()
        await self._changed()
        self.retry_now()

    async def discard_refused(self) -> None:
        """Delete the labels that were refused."""
        await self._store.discard_refused()
        await self._changed()

    def retry_now(self) -> None:
        """Deliver at once: the backend is known to answer again."""
        self._wake.set()

    async def _changed(self) -> None:
        await self._refresh(self._view.problem)
        if not self._view.problem:  # otherwise a new label must not cut the backoff short
            self._wake.set()

    async def _deliver(self) -> None:
        wait = self._initial_backoff
        while True:
            self._wake.clear()
            try:
                problem = await self._deliver_all()
            except ServeryError as error:
                problem = str(error)
            if problem:
                await self._refresh(problem)
                woken = await self._wait_for_wake(wait * random.uniform(0.8, 1.2))
                wait = self._initial_backoff if woken else min(wait * 2, self._max_backoff)
            else:
                wait = self._initial_backoff
                await self._refresh("")
                await self._wake.wait()

    async def _wait_for_wake(self, seconds: float) -> bool:
        """Wait for at most `seconds`; returns whether it was woken."""
        # Not asyncio.wait_for: before Python 3.12 it loses a cancellation that comes together
        # with the event, and the outbox would never close.
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _deliver_all(self) -> str:
        """Deliver until nothing is pending; returns why it had to stop, or ""."""
        while entries := await self._store.pending():
            entry = min(
                first_of_their_images(entries), key=lambda one: (self._failed(one), one.order)
            )
            try:
                await self._deliver_one(entry)
            except BackendError as error:
                if _is_final(error):
                    await self._store.refuse(entry.key, str(error))
                    continue
                self._note_failure(entry)
                return str(error)
            except ServeryError:  # of the disk
                raise
            except Exception:  # the labels behind it must be delivered all the same
                log.error("A label could not be delivered; it is tried again", exc_info=True)
                self._note_failure(entry)
                return tr("Something went wrong inside Servery. The log says what.")
            for image in entry.images:
                self._failures.pop(image, None)
            await self._refresh("")
        return ""

    def _note_failure(self, entry: OutboxEntry) -> None:
        self._failures.update(dict.fromkeys(entry.images, self._failed(entry) + 1))

    def _failed(self, entry: OutboxEntry) -> int:
        """Return how often one of its images has failed."""
        return max(self._failures.get(image, 0) for image in entry.images)

    async def _deliver_one(self, entry: OutboxEntry) -> None:
        label_id = entry.label_id
        if label_id is None:
            jpeg = await self._store.begin(entry.key)
            if jpeg is None:
                return
            label_id = await self._send(entry, jpeg)
        withdrawn = await self._store.acknowledge(entry.key, label_id)
        if withdrawn:
            if len(entry.images) > 1:
                await self._receiver.undo_action(label_id)
            else:
                await self._receiver.undo_label(label_id)
            await self._store.forget(entry.key)

    async def _send(self, entry: OutboxEntry, jpeg: bytes) -> int:
        """Returns the backend's id of what was sent: of an action, if it is about many photos."""
        statement = entry.statement
        if len(entry.images) > 1:
            batch = BatchLabel(
                list(entry.images),
                statement.class_name,
                statement.kind,
                by=statement.by,
                model=statement.model,
                settles=statement.settles,
                said_at=entry.said_at,
            )
            action = await self._receiver.label_batch(batch, key=entry.key)
            return action.id
        label = await self._receiver.label(
            entry.images[0] if entry.known else jpeg,
            statement.class_name,
            kind=statement.kind,
            by=statement.by,
            settles=statement.settles,
            batch=statement.batch or None,
            model=statement.model or None,
            key=entry.key,
            said_at=entry.said_at,
        )
        return label.id

    async def _refresh(self, problem: str) -> None:
        try:
            pending = await self._store.pending_count()
            view = OutboxView(pending, await self._store.refused(), problem if pending else "")
        except ServeryError as error:  # what waits is not known now
            view = replace(self._view, problem=str(error))
        if view != self._view:
            self._view = view
            for listener in tuple(self._listeners):
                listener(view)


def first_of_their_images(entries: Sequence[OutboxEntry]) -> list[OutboxEntry]:
    """Return the entries before which no other is about one of the same images.

    What is said of an image later must not reach the backend sooner.
    """
    seen: set[str] = set()
    first = []
    for entry in entries:
        if seen.isdisjoint(entry.images):
            first.append(entry)
        seen.update(entry.images)
    return first


def _is_final(error: BackendError) -> bool:
    """Return whether the backend will refuse this however often it is sent."""
    transient = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
    return (
        isinstance(error, BackendRefused)
        and HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        and error.status not in transient
    )
