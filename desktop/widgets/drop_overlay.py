"""Covers the page while files are dragged over it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from desktop import theme


class DropOverlay(QWidget):
    """A dashed frame that says what dropping files here does; takes no events."""

    def __init__(self, over: QWidget, words: str) -> None:
        super().__init__(over)
        self._over = over
        self._words = words
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        over.installEventFilter(self)

    def appear(self) -> None:
        self.setGeometry(self._over.rect())
        self.raise_()
        self.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Resize:
            self.setGeometry(self._over.rect())
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(theme.color("surface"))
        veil.setAlphaF(0.86)
        painter.fillRect(self.rect(), veil)
        pen = QPen(theme.color("accent"), 2, Qt.PenStyle.DashLine)
        painter.setPen(pen)
        inset = theme.M
        frame = self.rect().toRectF().adjusted(inset, inset, -inset, -inset)
        painter.drawRoundedRect(frame, theme.CORNER * 2, theme.CORNER * 2)
        painter.setFont(theme.font(theme.Size.TITLE, strong=True))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._words)
