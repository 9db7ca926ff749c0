"""Labelling one photo after the other, in the order in which labels teach most."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Protocol

from backend.client import BackendRefused
from backend.contract import LabelAction, PoolSummary, QueueItem
from desktop.formats import count, plural
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.choices import suggestions
from desktop.learn.labelling.desk import LabellingDesk, R
from desktop.learn.labelling.label_view import LabelView
from desktop.learn.labelling.queue_walk import KEPT_AHEAD, NextPhoto, QueueWalk
from serving.errors import BackendError

QUEUE = 200
"""Photos that are requested at a time: whoever is quick never waits for the next request."""
REFRESH_AFTER = 10
"""Answers after which the queue is asked for again: they change what teaches most."""
LOW = 60
"""Photos left below which it is asked for at once."""
_BEHIND = 2
"""Pictures of passed photos that stay decoded."""


class QueueSource(Protocol):
    """The part of BackendClient that this needs."""

    async def queue(self, model: str | None = None, count: int = QUEUE) -> list[QueueItem]: ...

    async def pool(self, model: str | None = None) -> PoolSummary: ...


class QueuePresenter:
    """Walks through the queue with a LabelView."""

    def __init__(self, view: LabelView, desk: LabellingDesk[R], source: QueueSource) -> None:
        self._view = view
        self._desk = desk
        self._source = source
        self._walk = QueueWalk()
        self._answered_at = 0
        """How many answers there were when the queue was asked for last."""
        self._requested = False
        desk.subscribe(self._on_answers)
        view.answered.connect(self.answer)
        view.back_requested.connect(self.back)
        view.forward_requested.connect(self.forward)
        self.start_again()

    def start_again(self) -> None:
        """Forget the queue: another model learns."""
        self._walk = QueueWalk()
        self._answered_at, self._requested = 0, False
        self._view.show_empty("Looking for the photos that teach most", "")

    @property
    def needs_queue(self) -> bool:
        """Whether the queue should be asked for again because of what was answered here."""
        fresh = self._walk.answered - self._answered_at
        return not self._requested or fresh == 0 or fresh >= REFRESH_AFTER or self._walk.left < LOW

    async def refresh(self) -> None:
        """Ask for the queue, and show the photo that is next if there was none; raises
        BackendError."""
        model = self._desk.model
        answered = self._walk.answered
        # What was answered here may not have reached the backend yet, and then comes again.
        try:
            queue = await self._source.queue(model, QUEUE + min(answered, QUEUE))
        except BackendRefused as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            self._show_refused(error)  # which says what is missing
            return
        if model != self._desk.model:
            return
        self._requested, self._answered_at = True, answered
        was_behind = self._walk.current is None
        self._walk.refill(NextPhoto(each.image, each.text, tuple(each.scores)) for each in queue)
        if self._walk.current is not None:
            self._show(keep=not was_behind)
        else:
            self._explain(await self._source.pool(model))

    def _show_refused(self, error: BackendRefused) -> None:
        self._requested = True
        if self._walk.current is None:
            self._view.show_empty(error.what, error.advice, "Go to Classify")

    def show_unavailable(self, error: BackendError) -> None:
        """Say why there is no queue, unless there still are photos of the last one."""
        if self._walk.current is None:
            self._view.show_empty("The photos to label are not known yet", str(error))

    def back(self) -> None:
        """Show the photo before."""
        if self._walk.back():
            self._show()

    def forward(self) -> None:
        """Show the next photo without an answer for this one."""
        if self._walk.forward():
            self._show()

    def answer(self, answer: Answer) -> None:
        """Give `answer` to the photo on the screen, and show the next one."""
        item = self._walk.current
        if item is None or self._view.item is not item:
            return
        before = self._walk.answer_of(item.image)
        self._walk.answer(answer)
        self._desk.give([([item.image], answer)], partial(self._go_back, item.image, before))
        self._show()

    def show_again(self, action: LabelAction) -> None:
        """Show the photos of an action that was taken back."""
        text = f"Its label {action.class_name or 'none of these'} was taken back."
        self._walk.insert([NextPhoto(image, text) for image in action.images])
        for image in action.images:
            self._walk.correct(image, None)
        self._show()

    def _on_answers(self, images: Sequence[str], answered: bool) -> None:
        """Leave out what was answered in another view."""
        if not answered:
            self._walk.readmit(images)
            return
        shown = self._walk.current
        self._walk.remove(images)
        if self._walk.current is not shown:
            self._show()

    def _go_back(self, image: str, before: Answer | None) -> None:
        self._walk.take_back(image, before)
        self._show()

    def _show(self, *, keep: bool = False) -> None:
        """Show the current photo; with `keep`, what is being typed for it stays."""
        item = self._walk.current
        if item is None:
            self._view.show_empty(*_FINISHED)
            return
        stays = keep and self._view.item is item
        choices = None if stays else suggestions(item.scores, self._desk.taught)
        self._view.show_photo(
            item,
            choices,
            self._walk.answer_of(item.image),
            [each.image for each in self._walk.near(_BEHIND, KEPT_AHEAD)],
        )
        self._view.picker.set_known(self._desk.known)
        self._view.show_progress(self._walk.answered, self._walk.left)

    def _explain(self, pool: PoolSummary) -> None:
        self._view.show_empty(*_why_empty(pool))


_FINISHED: Sequence[str] = ("Looking for the next photos", "")


def _why_empty(pool: PoolSummary) -> tuple[str, str, str]:
    """Return heading, sentence and action for a queue without photos."""
    classify = "Go to Classify"
    if not pool.photos:
        return (
            "No photos to label yet",
            "Photos that you classify wait here for their labels, those first that teach most.",
            classify,
        )
    if not pool.unlabelled:
        return (
            "Every photo is labelled",
            f"All {plural(pool.photos, 'photo')} have a label. Classify more to go on.",
            classify,
        )
    return (
        "Nothing left that would teach more",
        f"{plural(pool.unlabelled, 'photo')} of {count(pool.photos)} have no label: you skipped"
        " them, or they are nearly the same as one that is labelled.",
        classify,
    )
