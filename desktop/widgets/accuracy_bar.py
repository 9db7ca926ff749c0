"""An accuracy as a bar, with its error as a line across the end of the bar."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.formats import accuracy
from desktop.translation import tr

_BAR = 4
_HEIGHT = 16
_END = 4
"""Half the height of the lines at the ends of the error."""


class AccuracyBar(QWidget):
    """Shows a share of 1 and half the width of its interval."""

    def __init__(self) -> None:
        super().__init__()
        self._share: float | None = None
        self._error: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.setMinimumWidth(48)

    def show_accuracy(self, share: float | None, error: float | None) -> None:
        self._share, self._error = share, error
        self.setAccessibleName(tr("Accuracy {accuracy}", accuracy=accuracy(share, error)))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_accuracy(painter, self.rect().toRectF(), self._share, self._error)


def paint_accuracy(
    painter: QPainter, box: QRectF, share: float | None, error: float | None
) -> None:
    """Paint the bar across the middle of `box`, which is 100% wide."""
    share, middle = share or 0.0, box.center().y()
    track = QRectF(box.x(), middle - _BAR / 2, box.width(), _BAR)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color("sunken"))
    painter.drawRoundedRect(track, _BAR / 2, _BAR / 2)
    painter.setBrush(theme.color("accent"))
    bar = QRectF(track)
    bar.setWidth(max(_BAR, track.width() * share))
    painter.drawRoundedRect(bar, _BAR / 2, _BAR / 2)
    if error:
        ends = [max(0.0, share - error), min(1.0, share + error)]
        left, right = (round(box.x() + end * (box.width() - 1)) for end in ends)
        painter.setPen(QPen(theme.color("text"), 1.5))
        painter.drawLine(left, round(middle), right, round(middle))
        for end in (left, right):
            painter.drawLine(end, round(middle) - _END, end, round(middle) + _END)
