"""A question in a box of its own, with a button for each answer."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLabel, QMessageBox, QWidget

from desktop.widgets import plain_text
from desktop.widgets.dialogs import take_keyboard


class Question(QMessageBox):
    """Shows its texts as they are; closes by itself, and is deleted then."""

    def __init__(self, parent: QWidget, title: str, question: str, explanation: str) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setIcon(QMessageBox.Icon.NoIcon)
        self.setWindowTitle(plain_text.one_line(title))
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(plain_text.several_lines(question))
        self.setInformativeText(plain_text.several_lines(explanation))
        # Qt sets the format of the question alone.
        for label in self.findChildren(QLabel):
            label.setTextFormat(Qt.TextFormat.PlainText)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        take_keyboard(self)
        default = self.defaultButton()
        if default is not None:
            default.setFocus(Qt.FocusReason.ActiveWindowFocusReason)
