"""Carries out what the menu of label files asks for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from backend.contract import LABELS_CSV, TASKS_JSON, LabelFormat, SkippedFile
from desktop.formats import count
from desktop.jobs import Job
from desktop.label_files import exported_sentence, has_label_file, imported_sentences
from desktop.learn.label_files_menu import LabelFilesMenu
from desktop.learn.learn_now import deliver
from desktop.learn.model_actions import ModelActions
from desktop.service_sentences import translated
from desktop.translation import tr, tr_plural
from serving.errors import ServeryError
from serving.progress import Report


class LabelFilesPresenter:
    """Exports the labels of the model that learns, and imports others for it."""

    def __init__(self, menu: LabelFilesMenu, actions: ModelActions) -> None:
        self._actions = actions
        menu.export_requested.connect(lambda form, folder: self.export(LabelFormat(form), folder))
        menu.import_requested.connect(lambda source: self.take(source))

    def export(self, form: LabelFormat, folder: Path) -> Job[None] | None:
        """Write the labels to a new folder in `folder`, named after the model."""
        model = self._actions.model
        if not model:
            return None

        async def work(report: Report) -> None:
            # Labels that were given in this window belong to it.
            await deliver(self._actions.outbox)
            target = await asyncio.to_thread(_free_name, folder, f"{model} labels")
            written = await self._actions.backend.export_labels(model, target, form, report)
            self._actions.notifications.info(exported_sentence(written), stays=True)
            self._report(written.skipped)

        return self._actions.jobs.start(tr("Export the labels of {model}", model=model), work)

    def take(self, source: Path) -> Job[None] | None:
        """Import labels; the notice that says how many undoes it."""
        model = self._actions.model
        if not model:
            return None

        async def work(report: Report) -> None:
            if not await asyncio.to_thread(has_label_file, source):
                raise ServeryError(
                    tr(
                        "{name} has no {first_file} and no {second_file}.",
                        name=source.name,
                        first_file=LABELS_CSV,
                        second_file=TASKS_JSON,
                    ),
                    tr("To learn from a folder for each class, drop it on the Models page."),
                )
            taken = await self._actions.backend.import_labels(model, source, report)
            self._actions.on_changed()
            self._report(taken.skipped)
            text = " ".join(imported_sentences(taken))
            if taken.action:
                undo = partial(self._actions.backend.undo_action, taken.action)
                self._actions.say_done(text, tr("Undo the import of labels"), undo)
            else:
                self._actions.notifications.info(text)

        return self._actions.jobs.start(tr("Import labels from {name}", name=source.name), work)

    def _report(self, skipped: Sequence[SkippedFile]) -> None:
        """Say what was left out; the details name all of it."""
        if not skipped:
            return
        first = skipped[0]
        what = tr_plural(
            "{count} photo or label left out. {path}: {reason}",
            "{count} photos or labels left out. {path}: {reason}",
            len(skipped),
        ).format(count=count(len(skipped)), path=first.path, reason=translated(first.reason))
        details = "\n".join(f"{file.path}: {translated(file.reason)}" for file in skipped)
        self._actions.notifications.error(
            ServeryError(what, tr("The details name all of them.")), details
        )


def _free_name(folder: Path, name: str) -> Path:
    """Return a path in `folder` at which there is nothing."""
    path, number = folder / name, 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{name} {number}"
    return path
