"""Labelling one photo after the other, in the order in which labels teach most."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from backend.contract import LabelAction, PoolSummary, QueueItem
from desktop.formats import count
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.choices import suggestions
from desktop.learn.labelling.desk import LabellingDesk, R
from desktop.learn.labelling.label_view import LabelView
from desktop.learn.labelling.queue_walk import KEPT_AHEAD, NextPhoto, QueueWalk
from desktop.learn.labelling.walk_presenter import PoolSource, WalkPresenter
from desktop.translation import tr, tr_plural

QUEUE = 200
"""Photos that are requested at a time: a quick person never waits for the next request."""
REFRESH_AFTER = 10
"""Answers after which the queue is asked for again: they change what teaches most."""
LOW = 60
"""Photos left below which it is asked for at once."""
_BEHIND = 2
"""Pictures of passed photos that stay decoded."""


class QueueSource(PoolSource, Protocol):
    """The part of BackendClient that this needs."""

    async def queue(self, model: str | None = None, count: int = QUEUE) -> list[QueueItem]: ...


class QueuePresenter(WalkPresenter[QueueWalk, R]):
    """Walks through the queue with a LabelView."""

    _unknown = tr("The photos to label are not known yet")

    def __init__(self, view: LabelView, desk: LabellingDesk[R], source: QueueSource) -> None:
        super().__init__(view, desk)
        self._view = view
        self._source = source
        self._walk = QueueWalk()
        self._answered_at = 0
        """How many answers there were when the queue was asked for last."""
        self._has_requested = False
        view.answered.connect(self.answer)
        self.start_again()

    def start_again(self) -> None:
        """Forget the queue: another model learns."""
        self._walk = QueueWalk()
        self._answered_at, self._has_requested = 0, False
        self._view.show_empty(tr("Looking for the photos that teach most"), "")

    @property
    def needs_queue(self) -> bool:
        """Whether the queue should be asked for again because of what was answered here."""
        fresh = self._walk.answered - self._answered_at
        return (
            not self._has_requested or fresh == 0 or fresh >= REFRESH_AFTER or self._walk.left < LOW
        )

    async def refresh(self) -> None:
        """Ask for the queue, and show the photo that is next if there was none; raises
        BackendError."""
        model = self._desk.model
        answered = self._walk.answered
        # What was answered here may not have reached the backend yet, and then comes again.
        queue = await self._fetch(self._source.queue(model, QUEUE + min(answered, QUEUE)))
        if model != self._desk.model:
            return
        self._has_requested = True
        if queue is None:
            return
        self._answered_at = answered
        was_behind = self._walk.current is None
        self._walk.refill(NextPhoto(each.image, each.text, tuple(each.scores)) for each in queue)
        if self._walk.current is not None:
            self._show(keep=not was_behind)
        else:
            self._explain(await self._source.pool(model))

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
        label = action.class_name or tr("none of these")
        text = tr("Its label {label} was taken back.", label=label)
        self._walk.insert([NextPhoto(image, text) for image in action.images])
        for image in action.images:
            self._walk.correct(image, None)
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


_FINISHED: Sequence[str] = (tr("Looking for the next photos"), "")


def _why_empty(pool: PoolSummary) -> tuple[str, str, str]:
    """Return heading, sentence and action for a queue without photos."""
    classify = tr("Go to Classify")
    if not pool.photos:
        return (
            tr("No photos to label yet"),
            tr("Photos that you classify wait here for their labels, those first that teach most."),
            classify,
        )
    if not pool.unlabelled:
        return (
            tr("Every photo is labelled"),
            tr_plural(
                "The {count} photo has a label. Classify more to go on.",
                "All {count} photos have a label. Classify more to go on.",
                pool.photos,
            ).format(count=count(pool.photos)),
            classify,
        )
    return (
        tr("Nothing left that would teach more"),
        tr_plural(
            "{count} photo of {total} has no label: you skipped it, or it is"
            " nearly the same as one that is labelled.",
            "{count} photos of {total} have no label: you skipped them, or they are"
            " nearly the same as one that is labelled.",
            pool.unlabelled,
        ).format(count=count(pool.unlabelled), total=count(pool.photos)),
        classify,
    )
