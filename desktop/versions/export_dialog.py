"""Asks what a version is to be exported as, and where to."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialogButtonBox,
    QLineEdit,
    QWidget,
)

from backend.contract import NewExport
from desktop import theme
from desktop.translation import tr
from desktop.versions import wording
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.dialogs import Dialog, FileDialog
from desktop.widgets.plain_label import PlainLabel
from serving.exporting.formats import ZIP_SUFFIX, ExportFormat, is_zip


class ExportDialog(Dialog):
    """Edits a NewExport."""

    export_requested = Signal(object)
    """NewExport"""

    def __init__(self, model: str, number: int, parent: QWidget | None = None) -> None:
        super().__init__(
            tr("Export version {number} of {model}", number=number, model=model), parent
        )
        self.setMinimumWidth(520)
        self._name = f"{model}-{number}"
        self.format = ComboBox(tr("Format"), wording.EXPORT_FORMATS.items())
        self.explanation = PlainLabel(role="muted", wrap=True)
        self.target = QLineEdit()
        self.target.setAccessibleName(tr("Folder or zip file"))
        self.choose = build.button(tr("Choose…"))
        self.with_photos = QCheckBox(tr("Put the labelled photos in, too"))
        self.problem = PlainLabel(role="error", wrap=True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.export = buttons.addButton(tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.export, "primary")
        self.export.setDefault(True)
        build.column(
            PlainLabel(tr("Format"), "heading"),
            self.format,
            self.explanation,
            self.with_photos,
            PlainLabel(tr("Where it goes"), "heading"),
            build.row((self.target, 1), self.choose),
            self.problem,
            buttons,
            parent=self,
            spacing=theme.S,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self.target.setText(str(Path.home() / self._name))
        self.format.currentIndexChanged.connect(self._on_format)
        self.target.textChanged.connect(self._show)
        self.choose.clicked.connect(self.open_file_dialog)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        self._show()

    @property
    def kind(self) -> ExportFormat:
        """The format that is selected."""
        return ExportFormat(str(self.format.currentData()))

    def new_export(self) -> NewExport:
        """Return what the controls ask for now."""
        with_photos = self.kind is ExportFormat.SERVERY and self.with_photos.isChecked()
        return NewExport(self.kind, self.target.text().strip(), with_photos=with_photos)

    def open_file_dialog(self) -> None:
        """Ask for the name of the folder or zip file that is made."""
        dialog = FileDialog(self, tr("Export to"), self.target.text())
        dialog.setAcceptMode(FileDialog.AcceptMode.AcceptSave)
        # Whether something is replaced is asked when that is known.
        dialog.setOption(FileDialog.Option.DontConfirmOverwrite)
        dialog.fileSelected.connect(self.target.setText)
        dialog.open()

    def _on_format(self) -> None:
        """Let the name end as the format needs it."""
        path = Path(self.target.text().strip() or self._name)
        if self.kind is ExportFormat.SERVERY and not is_zip(path):
            self.target.setText(f"{path}{ZIP_SUFFIX}")
        self._show()

    def _show(self) -> None:
        self.explanation.setText(wording.EXPORT_EXPLANATIONS[self.kind])
        is_archive = self.kind is ExportFormat.SERVERY
        self.with_photos.setVisible(is_archive)
        path = Path(self.target.text().strip())
        problem = ""
        if not path.is_absolute() or not path.name:
            problem = tr("Give the whole path to a new folder, or to a zip file.")
        elif is_archive and not is_zip(path):
            problem = tr("Another Servery imports a zip file: let the name end in .zip.")
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.export.setEnabled(not problem)

    def _accept(self) -> None:
        self.export_requested.emit(self.new_export())
        self.accept()
