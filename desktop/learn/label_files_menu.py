"""The menu that brings labels into files and out of them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from backend.contract import LabelFormat
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import FileDialog

_FORMATS = {
    LabelFormat.FOLDER: tr("Export labels as folders…"),
    LabelFormat.CSV: tr("Export labels as CSV…"),
    LabelFormat.LABEL_STUDIO: tr("Export labels for Label Studio…"),
}
_FILES = tr("Labels (*.csv *.tsv *.json);;All files (*)")


class LabelFilesMenu(QMenu):
    """Asks for a folder or a file, and signals it."""

    export_requested = Signal(str, Path)
    """A LabelFormat, and the folder to put the exported folder into."""
    import_requested = Signal(Path)
    """A file with labels, or a folder that labels were exported to."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.exports = {form: self.addAction(text) for form, text in _FORMATS.items()}
        for form, action in self.exports.items():
            action.triggered.connect(lambda _, form=form: self._choose_target(form))
        self.addSeparator()
        self.addAction(tr("Import labels from a file…")).triggered.connect(self._choose_file)
        self.addAction(tr("Import labels from a folder…")).triggered.connect(self._choose_folder)

    def button(self) -> QToolButton:
        """Return a button that opens it."""
        made = build.icon_button("more", tr("Export and import labels"), side=20)
        made.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        made.setMenu(self)
        return made

    def _choose_target(self, form: LabelFormat) -> None:
        dialog = self._dialog(tr("Choose the folder to export into"), FileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.export_requested.emit(form, Path(name)))
        dialog.open()

    def _choose_file(self) -> None:
        dialog = self._dialog(tr("Import labels"), FileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(_FILES)
        dialog.fileSelected.connect(lambda name: self.import_requested.emit(Path(name)))
        dialog.open()

    def _choose_folder(self) -> None:
        dialog = self._dialog(tr("Import exported labels"), FileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.import_requested.emit(Path(name)))
        dialog.open()

    def _dialog(self, title: str, mode: FileDialog.FileMode) -> FileDialog:
        dialog = FileDialog(self.parentWidget(), title)
        dialog.setFileMode(mode)
        return dialog
