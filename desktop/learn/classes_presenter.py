"""Renames, merges and deletes classes, and shows which there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from backend.client import BackendClient
from backend.contract import ClassChange, ModelSummary
from desktop.jobs import Jobs
from desktop.learn.classes_view import ClassesView
from desktop.learn.learn_now import deliver
from desktop.learn.outbox import Outbox
from desktop.notifications import Notifications
from serving.progress import Report


class ClassesPresenter:
    """Carries out what a ClassesView asks for; each change can be undone from its notice."""

    def __init__(
        self,
        view: ClassesView,
        backend: BackendClient,
        outbox: Outbox,
        jobs: Jobs,
        notifications: Notifications,
        on_changed: Callable[[], object],
    ) -> None:
        """`on_changed` is called after each change, which concerns labels and versions."""
        self._view = view
        self._backend = backend
        self._outbox = outbox
        self._jobs = jobs
        self._notifications = notifications
        self._on_changed = on_changed
        self._model = ""
        view.rename_requested.connect(self.rename)
        view.delete_requested.connect(self.delete)

    def show_model(self, model: str) -> None:
        """Work on the classes of `model` from now on; empty for none."""
        self._model = model

    async def refresh(self) -> None:
        """Read the classes again; raises BackendError."""
        if model := self._model:
            classes = await self._backend.classes(model)
            if model == self._model:
                self._view.show_classes(classes)

    def rename(self, name: str, new_name: str) -> None:
        """Give a class another name, at once and live; one that exists takes its labels."""
        self._change(
            f"Rename {name}",
            f"{name} is {new_name} now.",
            lambda model: self._backend.rename_class(model, name, new_name),
        )

    def delete(self, name: str) -> None:
        """Delete a class, at once and live; its photos stay without a label."""
        self._change(
            f"Delete {name}",
            f"The class {name} was deleted.",
            lambda model: self._backend.delete_class(model, name),
        )

    def _change(
        self, title: str, news: str, change: Callable[[str], Awaitable[ModelSummary]]
    ) -> None:
        model = self._model
        if not model:
            return

        async def work(report: Report) -> None:
            # A label that arrives later would bring the old name back.
            await deliver(self._outbox)
            await change(model)
            newest, *_ = await self._backend.class_changes(model)
            self._on_changed()
            self._notifications.info(news, "Undo", lambda: self._undo(newest))

        self._jobs.start(title, work)

    def _undo(self, change: ClassChange) -> None:
        async def work(report: Report) -> None:
            await self._backend.undo_class_change(change.model, change.id)
            self._on_changed()

        self._jobs.start("Undo the change of a class", work)
