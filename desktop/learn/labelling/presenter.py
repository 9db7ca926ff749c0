"""Connects the ways to label on the Learn page to the backend and the outbox."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol

from backend.client import BackendClient
from backend.contract import Event, LabelAction, LabelKind, ModelSummary
from desktop.backend_follower import BackendFollower
from desktop.formats import count
from desktop.jobs import Jobs
from desktop.learn.labelling.desk import LabellingDesk, R
from desktop.learn.labelling.doubts_presenter import DoubtsPresenter
from desktop.learn.labelling.groups_presenter import GroupsPresenter
from desktop.learn.labelling.queue_presenter import QueuePresenter
from desktop.learn.page import LearnPage, LearnView
from desktop.moments import ago
from desktop.notifications import Notifications
from desktop.translation import tr, tr_plural
from serving.errors import BackendError
from serving.progress import Report


class _Part(Protocol):
    """One way to label."""

    def start_again(self) -> None: ...

    async def refresh(self) -> None: ...

    def show_unavailable(self, error: BackendError) -> None: ...


class LabellingPresenter(Generic[R]):
    """Keeps the view that is shown up to date, and undoes what was said in any of them.

    Needs a running event loop; ends when `jobs` is closed.
    """

    def __init__(
        self,
        page: LearnPage,
        desk: LabellingDesk[R],
        backend: BackendClient,
        jobs: Jobs,
        notifications: Notifications,
        on_labels: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_labels` is called whenever labels have changed in the backend."""
        self._on_labels = on_labels
        self._page = page
        self._desk = desk
        self._backend = backend
        self._jobs = jobs
        self._notifications = notifications
        self._model: ModelSummary | None = None
        self.queue = QueuePresenter(page.label_view, desk, backend)
        self.groups = GroupsPresenter(page.groups_view, desk, backend)
        self.doubts = DoubtsPresenter(page.doubts_view, desk, backend, page.show_doubt_count)
        self._by_view: dict[LearnView, _Part] = {
            LearnView.LABEL: self.queue,
            LearnView.GROUPS: self.groups,
            LearnView.DOUBTS: self.doubts,
        }
        self._follower = BackendFollower(
            backend,
            {"labels": self._refresh},
            on_event=self._on_event,
            on_error=self._show_unavailable,
        )
        page.view_changed.connect(lambda: self._follower.mark_stale("labels"))
        page.undo_action.triggered.connect(self.undo)
        for view in (page.label_view, page.groups_view, page.doubts_view):
            view.undo_requested.connect(self.undo)
        page.label_view.history_requested.connect(self._show_history)
        page.pictures.start(partial(backend.image, side=None), jobs)
        jobs.start(tr("Follow what is to be labelled"), self._follow, background=True)

    async def _follow(self, report: Report) -> None:
        await self._follower.run()

    def show_model(self, model: ModelSummary | None) -> None:
        """Label for another model, or for a new version of the same."""
        before, self._model = self._model, model
        is_other = (before and before.name) != (model and model.name)
        if is_other:
            self._desk.show_model(model, None)
            for each in self._by_view.values():
                each.start_again()
        if is_other or (before and before.live_version) != (model and model.live_version):
            self._follower.mark_stale("labels")

    def undo(self) -> None:
        """Take the last answer back: of this page, or else of this person before."""
        if not self._desk.undo():
            self.undo_earlier(self._show_again)

    def undo_earlier(self, show: Callable[[LabelAction], object] = lambda action: None) -> None:
        """Take back what this person said last in the backend, whenever that was, and `show` it."""

        async def work(report: Report) -> None:
            action = await self._desk.undo_earlier()
            if action is None:
                self._notifications.info(tr("There is no label of yours to take back."))
                return
            self._notifications.info(_taken_back(action))
            show(action)

        self._jobs.start(tr("Undo a label"), work)

    def _show_again(self, action: LabelAction) -> None:
        if action.images:
            self._page.show_view(LearnView.LABEL)
            self.queue.show_again(action)

    def _show_history(self, image: str) -> None:
        async def work(report: Report) -> None:
            with contextlib.suppress(BackendError):  # it is extra: the photo can be labelled
                labels = await self._backend.labels_of(image, self._desk.model or None)
                self._page.label_view.show_history(image, labels)

        self._jobs.start(tr("Read the labels of a photo"), work, background=True)

    def _on_event(self, event: Event) -> None:
        if event.topic == "models":  # a new version doubts and asks other things
            self._follower.mark_stale("labels")
        elif event.topic == "labels":
            self._on_labels()

    async def _refresh(self) -> None:
        model = self._model
        if model is None:
            return
        view = self._page.view
        labels = await self._backend.labels(model.name)
        if self._model is None or self._model.name != model.name:
            return  # choosing another model has this done again
        self._desk.show_model(self._model, labels)
        if not self.doubts.is_known:
            self._page.show_doubt_count(labels.conflicts)
        # What it costs the machine to find out is spent only once somebody looks.
        needed = view is not LearnView.LABEL or self.queue.needs_queue
        if view in self._by_view and needed and self._page.isVisible():
            await self._by_view[view].refresh()

    def _show_unavailable(self, error: BackendError) -> None:
        for each in self._by_view.values():
            each.show_unavailable(error)


def _taken_back(action: LabelAction) -> str:
    """Say what an action of before was."""
    match action.kind:
        case LabelKind.NONE:
            text = tr_plural(
                "None of these of {count} photo was taken back, said {when}.",
                "None of these of {count} photos was taken back, said {when}.",
                action.count,
            )
        case LabelKind.SKIP:
            text = tr_plural(
                "Skipping of {count} photo was taken back, said {when}.",
                "Skipping of {count} photos was taken back, said {when}.",
                action.count,
            )
        case LabelKind.CLASS:
            text = tr_plural(
                "“{class_name}” of {count} photo was taken back, said {when}.",
                "“{class_name}” of {count} photos was taken back, said {when}.",
                action.count,
            )
    when = ago(action.created)
    return text.format(class_name=action.class_name, count=count(action.count), when=when)
