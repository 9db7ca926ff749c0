"""Renames, merges and deletes classes, and shows which there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from backend.contract import ModelSummary
from desktop.learn.classes_view import ClassesView
from desktop.learn.learn_now import deliver
from desktop.learn.model_actions import ModelActions
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.progress import Report


class ClassesPresenter:
    """Carries out what a ClassesView asks for; each change can be undone from its notice."""

    def __init__(self, view: ClassesView, actions: ModelActions) -> None:
        self._view = view
        self._actions = actions
        view.rename_requested.connect(self.rename)
        view.delete_requested.connect(self.delete)

    async def refresh(self) -> None:
        """Read the classes again; raises BackendError."""
        if model := self._actions.model:
            classes = await self._actions.backend.classes(model)
            if model == self._actions.model:
                self._view.show_classes(classes)

    def rename(self, name: str, new_name: str) -> None:
        """Give a class another name, at once and live; one that exists takes its labels."""
        self._change(
            tr("Rename {name}", name=name),
            lambda model: self._actions.backend.rename_class(model, name, new_name),
        )

    def delete(self, name: str) -> None:
        """Delete a class, at once and live; its photos stay without a label."""
        self._change(
            tr("Delete {name}", name=name),
            lambda model: self._actions.backend.delete_class(model, name),
        )

    def _change(self, title: str, change: Callable[[str], Awaitable[ModelSummary]]) -> None:
        model = self._actions.model
        if not model:
            return

        async def work(report: Report) -> None:
            # A label that arrives later would bring the old name back.
            await deliver(self._actions.outbox)
            await change(model)
            newest, *_ = await self._actions.backend.class_changes(model)
            self._actions.on_changed()
            undo = partial(self._actions.backend.undo_class_change, model, newest.id)
            self._actions.say_done(
                translated(newest.sentence), tr("Undo the change of a class"), undo
            )

        self._actions.jobs.start(title, work)
