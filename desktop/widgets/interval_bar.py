"""A share that is known to lie between two bounds, beside the share that is required."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme

_BAR = 6
_HEIGHT = 24
_MARK = 4
"""Half the width of the mark for the required share."""


class IntervalBar(QWidget):
    """From 0 to 1: what is certain is filled, with a line at the share itself."""

    def __init__(self) -> None:
        super().__init__()
        self._low, self._share, self._high, self._required = 0.0, 0.0, 1.0, 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.setMinimumWidth(80)

    def show_interval(self, low: float, share: float, high: float, required: float) -> None:
        self._low, self._share, self._high, self._required = low, share, high, required
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width, middle = self.width() - 2 * _MARK, self.height() / 2
        track = QRectF(_MARK, middle - _BAR / 2, width, _BAR)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("sunken"))
        painter.drawRoundedRect(track, _BAR / 2, _BAR / 2)
        painter.setBrush(theme.color("accent"))
        band = QRectF(track)
        band.setLeft(_MARK + width * self._low)
        band.setRight(max(band.left() + _BAR, _MARK + width * self._high))
        painter.drawRoundedRect(band, _BAR / 2, _BAR / 2)
        painter.setPen(QPen(theme.color("text"), 2))
        at = _MARK + width * self._share
        painter.drawLine(QPointF(at, middle - _BAR), QPointF(at, middle + _BAR))
        # The required share, from above: it is no part of what was measured.
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("muted"))
        at, tip = _MARK + width * self._required, middle - _BAR / 2 - 1
        painter.drawPolygon(
            QPolygonF(
                [
                    QPointF(at - _MARK, tip - _MARK - 1),
                    QPointF(at + _MARK, tip - _MARK - 1),
                    QPointF(at, tip),
                ]
            )
        )
