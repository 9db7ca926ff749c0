"""Exports versions, and says what became of them."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QMessageBox

from backend.client import BackendClient, BackendRefused
from backend.contract import NewExport
from desktop.jobs import Job, Jobs
from desktop.model_files import export_sentence, export_version
from desktop.notifications import Notifications
from desktop.translation import tr
from desktop.versions.export_dialog import ExportDialog
from desktop.versions.view import VersionsView
from desktop.widgets.question import Question
from serving.progress import Report

_EXISTS = 409


class VersionExports:
    """Asks what a version is exported as if a row of `view` asks for one, and has it done."""

    def __init__(
        self,
        view: VersionsView,
        backend: BackendClient,
        jobs: Jobs,
        notifications: Notifications,
    ) -> None:
        self._view, self._backend = view, backend
        self._jobs, self._notifications = jobs, notifications
        view.export_requested.connect(self.ask)

    def ask(self, number: int) -> ExportDialog:
        """Open the dialog."""
        model = self._view.model
        dialog = ExportDialog(model, number, self._view)
        dialog.export_requested.connect(lambda new: self.export(model, number, new))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def export(self, model: str, number: int, new: NewExport) -> Job[None]:
        """Export a version; asks first if there is something in its place."""

        async def work(report: Report) -> None:
            try:
                done = await export_version(self._backend, model, number, new, report)
            except BackendRefused as error:
                if error.status != _EXISTS:
                    raise
                self._ask_to_replace(model, number, new)
                return
            self._notifications.info(export_sentence(done, new.format))

        return self._jobs.start(
            tr("Export version {number} of {model}", number=number, model=model), work
        )

    def _ask_to_replace(self, model: str, number: int, new: NewExport) -> None:
        box = Question(
            self._view,
            tr("Replace an export"),
            tr("{target} exists. Replace it?", target=new.target),
            tr("It is replaced if it is an earlier export, and only once the new one is there."),
        )
        act = box.addButton(tr("Replace"), QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        act.clicked.connect(lambda: self.export(model, number, replace(new, replace=True)))
        box.open()
