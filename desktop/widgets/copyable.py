"""A port, hash or id: monospace, copied by a click."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QToolButton, QToolTip

from desktop import theme
from desktop.translation import tr
from desktop.widgets.plain_text import fitted

_MAX_WIDTH = 180
"""Pixels of the text."""


class Copyable(QToolButton):
    """Shows a short text in the fixed-width font and puts it on the clipboard when pressed."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        theme.set_role(self, "quiet")
        self.setFont(theme.monospace())
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(tr("Copy"))
        self.set_value(text)
        self.clicked.connect(self._copy)

    def set_value(self, text: str, shown: str = "") -> None:
        """Copy `text` from now on; `shown` is what is seen in its place if it is long."""
        self._value = text
        self.setText(fitted(shown or text, self.fontMetrics(), _MAX_WIDTH))
        self.setAccessibleName(tr("Copy {text}", text=text))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._value)
        QToolTip.showText(self.mapToGlobal(self.rect().bottomLeft()), tr("Copied"), self)
