"""A field to search with."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QLineEdit

from desktop import theme
from desktop.translation import tr

_ICON = 16


class SearchField(QLineEdit):
    """A line with a magnifying glass; Escape empties it."""

    def __init__(self, accessible_name: str) -> None:
        super().__init__()
        self.setPlaceholderText(tr("Search"))
        self.setAccessibleName(accessible_name)
        self.setTextMargins(_ICON + theme.XS, 0, 0, 0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        glass = theme.pixmap("search", "muted", _ICON, self.devicePixelRatioF())
        painter.drawPixmap(theme.S, (self.height() - _ICON) // 2, glass)
