"""A state as a shape, a colour and a word."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.widgets.plain_text import MAX_CAPTION, one_line


class StateBadge(QWidget):
    """Shows one of the states that `theme.state_mark` knows, as wide as its word."""

    def __init__(self, state: str, text: str = "") -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.set_state(state, text)

    def set_state(self, state: str, text: str = "") -> None:
        """Show `state`, with `text` instead of its own word."""
        self._mark = theme.state_mark(state)
        self._text = one_line(text, MAX_CAPTION) or self._mark.word
        self.setAccessibleName(self._text)
        self.updateGeometry()
        self.update()

    @property
    def text(self) -> str:
        return self._text

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        side = metrics.ascent()
        return QSize(side + theme.XS + metrics.horizontalAdvance(self._text) + 2, metrics.height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        side = self.fontMetrics().ascent() - 2
        top = (self.height() - side) / 2
        theme.paint_mark(painter, QRectF(0, top, side, side), self._mark)
        painter.setPen(self._mark.color)
        text_rect = QRectF(
            side + theme.XS + 2, 0, self.width() - side - theme.XS - 2, self.height()
        )
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(text_rect, align, self._text)
