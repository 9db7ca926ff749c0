"""The line beside the rows of a timeline."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme

_RAIL = 20
_MARK = 12


class TimelineRail(QWidget):
    """The line that connects the rows, with a mark for this one."""

    def __init__(self, top: int = theme.M + 3) -> None:
        """`top` is how far below the top of its row the mark is, in pixels."""
        super().__init__()
        self._top = top
        self._state, self._first, self._last = "answered", True, True
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)

    def show_mark(self, state: str, *, first: bool, last: bool) -> None:
        self._state, self._first, self._last = state, first, last
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(_RAIL, 48)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        middle = self.width() / 2
        top = float(self._top)
        painter.setPen(QPen(theme.color("line"), 2))
        if not self._first:
            painter.drawLine(round(middle), 0, round(middle), round(top) - 3)
        if not self._last:
            painter.drawLine(round(middle), round(top) + _MARK + 3, round(middle), self.height())
        box = QRectF(middle - _MARK / 2, top, _MARK, _MARK)
        theme.paint_mark(painter, box, theme.state_mark(self._state))
