"""The parts of Servery that others made, with their licences: a list, and the texts of one."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QStringListModel
from PySide6.QtWidgets import QAbstractItemView, QListView, QPlainTextEdit, QVBoxLayout

from desktop import theme
from desktop.translation import tr
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line
from serving.licences import Part

_ROWS = 8
_TEXT_HEIGHT = 260


class LicencesPanel(QVBoxLayout):
    """What `servery licences` prints, to be looked through."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: Sequence[Part] = ()
        self.setSpacing(theme.S)
        self.names = QListView()
        self.names.setAccessibleName(tr("Parts of Servery"))
        self.names.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.names.setUniformItemSizes(True)
        theme.set_role(self.names, "list")
        self._model = QStringListModel()
        self.names.setModel(self._model)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName(tr("Licences and notices"))
        self.text.setFont(theme.monospace(theme.Size.SMALL))
        self.text.setFixedHeight(_TEXT_HEIGHT)
        self.note = PlainLabel(tr("The licences are being read."), "muted", wrap=True)
        self.addWidget(PlainLabel(tr("Licences"), "heading"))
        for widget in (self.note, self.names, self.text):
            self.addWidget(widget)
        self.names.selectionModel().currentChanged.connect(self._show_text)
        self._show_found(False)

    def show_parts(self, parts: Sequence[Part]) -> None:
        """List `parts`, and show the texts of the first one."""
        self._parts = parts
        self._model.setStringList(
            [one_line(f"{part.name} {part.version}, {part.licence}") for part in parts]
        )
        self.note.setText(tr("What Servery is made of. Select a part to read its licences."))
        self._show_found(True)
        frame = self.names.height() - self.names.viewport().height()
        self.names.setFixedHeight(_ROWS * max(1, self.names.sizeHintForRow(0)) + frame)
        self.names.setCurrentIndex(self._model.index(0))

    def show_problem(self, sentence: str) -> None:
        """Say why there is no list."""
        self.note.setText(sentence)

    def _show_found(self, found: bool) -> None:
        self.names.setVisible(found)
        self.text.setVisible(found)

    def _show_text(self, index: QModelIndex) -> None:
        if index.isValid():
            self.text.setPlainText(self._parts[index.row()].full_text())
