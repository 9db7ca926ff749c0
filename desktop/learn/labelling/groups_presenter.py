"""Naming photos that look alike, a group at a time."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from backend.contract import Cluster, LabelKind, PoolSummary
from desktop.formats import count
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.choices import MAX_CHOICES, Choice
from desktop.learn.labelling.desk import LabellingDesk, R
from desktop.learn.labelling.group_walk import GroupWalk
from desktop.learn.labelling.groups_view import GroupsView
from desktop.learn.labelling.walk_presenter import PoolSource, WalkPresenter
from desktop.translation import tr, tr_plural

GROUPS = 40
"""Requested at a time."""


class GroupSource(PoolSource, Protocol):
    """The part of BackendClient that this needs."""

    async def clusters(self, model: str | None = None, count: int = GROUPS) -> list[Cluster]: ...


class GroupsPresenter(WalkPresenter[GroupWalk, R]):
    """Walks through the groups with a GroupsView."""

    _unknown = tr("The groups are not known yet")

    def __init__(self, view: GroupsView, desk: LabellingDesk[R], source: GroupSource) -> None:
        super().__init__(view, desk)
        self._view = view
        self._source = source
        self._walk = GroupWalk()
        self._named = 0
        """Groups that were named since the groups were asked for last."""
        view.answered.connect(self.answer)
        view.toggled.connect(self.toggle)
        self.start_again()

    def start_again(self) -> None:
        """Forget the groups: another model learns."""
        self._walk = GroupWalk()
        self._named = 0
        self._view.show_empty(tr("Looking for photos that look alike"), "")

    async def refresh(self) -> None:
        """Ask for the groups; the one on the screen stays. Raises BackendError."""
        model = self._desk.model
        self._named = 0
        clusters = await self._fetch(self._source.clusters(model, GROUPS))
        if clusters is None:
            return
        self._walk.refill(clusters)
        if self._walk.current is not None:
            self._show()
        else:
            self._explain(await self._source.pool(model))

    def toggle(self, image: str) -> None:
        """Take a photo out of the group on the screen, or put it back."""
        self._walk.toggle(image)
        self._show()

    def answer(self, answer: Answer) -> None:
        """Give `answer` to the group on the screen, and show the next one."""
        group = self._walk.current
        if group is None or group is not self._view.group:
            return
        if answer.kind is LabelKind.SKIP:  # for now: its photos come in the queue all the same
            self._walk.skip()
        elif (named := self._walk.name()) is not None:
            self._named += 1
            self._desk.give([(named.images, answer)], partial(self._go_back, named.images))
        self._show()

    def _go_back(self, images: tuple[str, ...]) -> None:
        self._walk.take_back(images)
        self._show()

    def _show(self) -> None:
        group = self._walk.current
        if group is None and self._named:
            # Their names say more about the others: groups are made again.
            self._view.show_empty(tr("Looking for more photos that look alike"), "")
            return
        if group is None:
            self._view.show_empty(
                tr("Every group has been looked at"),
                tr("Photos that were taken out or skipped come one by one on the tab Label."),
                tr("Label one by one"),
                leads_to_label=True,
            )
            return
        first = [Choice(group.suggestion, group.score)] if group.suggestion else []
        others = [Choice(name) for name in self._desk.taught if name != group.suggestion]
        self._view.picker.set_known(self._desk.known)
        self._view.show_group(
            group,
            [*first, *others][:MAX_CHOICES],
            self._walk.excluded,
            self._walk.number,
            self._walk.total,
        )

    def _explain(self, pool: PoolSummary) -> None:
        """Say why no photos look alike."""
        if pool.unlabelled:
            self._view.show_empty(
                tr("No photos that look alike"),
                tr_plural(
                    "{count} photo without a label is like no other.",
                    "{count} photos without a label differ too much to be named at once.",
                    pool.unlabelled,
                ).format(count=count(pool.unlabelled)),
                tr("Label one by one"),
                leads_to_label=True,
            )
        else:
            self._view.show_empty(
                tr("No photos to label"),
                tr("Photos that you classify and that have no label yet are grouped here."),
                tr("Go to Classify"),
            )
