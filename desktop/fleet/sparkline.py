"""Small charts of what an instance did lately, painted by hand."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.fleet.history import UNKNOWN, Measure, Point, described


def paint_sparkline(
    painter: QPainter, rect: QRectF, points: Sequence[Point], least: float, ink: QColor
) -> None:
    """Paint `points` as a line over a soft area.

    The scale starts at zero and ends at the highest value, but never below `least`,
    so that an idle instance looks idle.
    """
    if not points:
        return
    top = max(least, max(point.value for point in points))
    box = rect.adjusted(1, 2, -2, -1)

    def place(point: Point) -> QPointF:
        return QPointF(
            box.left() + point.at * box.width(),
            box.bottom() - point.value / top * box.height(),
        )

    line = QPainterPath(place(points[0]))
    for point in points[1:]:
        line.lineTo(place(point))
    area = QPainterPath(line)
    area.lineTo(place(points[-1]).x(), box.bottom())
    area.lineTo(place(points[0]).x(), box.bottom())
    area.closeSubpath()
    soft = QColor(ink)
    soft.setAlphaF(0.14)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setClipRect(rect)
    painter.fillPath(area, soft)
    pen = QPen(ink, 1.4)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.strokePath(line, pen)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawEllipse(place(points[-1]), 1.8, 1.8)
    painter.restore()


class MeasureChart(QWidget):
    """One measure of one instance over the last minutes, with its latest value."""

    def __init__(self, measure: Measure, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._measure = measure
        self._points: list[Point] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMaximumHeight(140)
        self.setAccessibleName(measure.title)
        self.show_points([])

    def show_points(self, points: list[Point]) -> None:
        self._points = points
        facts = described(self._measure, points)
        if facts != self.accessibleDescription():
            self.setAccessibleDescription(facts)
            self.setToolTip(facts)
        self.update()

    @property
    def facts(self) -> str:
        """What the chart shows, as text."""
        return self.accessibleDescription()

    def sizeHint(self) -> QSize:
        return QSize(220, 76)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 52)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        head = float(self.fontMetrics().height())
        area = QRectF(self.rect())
        title = QRectF(area.left(), area.top(), area.width(), head)
        chart = area.adjusted(0, head + theme.XS, 0, 0)
        painter.setFont(theme.font(theme.Size.SMALL))
        painter.setPen(theme.colour("muted"))
        align = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(title, align | Qt.AlignmentFlag.AlignLeft, self._measure.title)
        if self._points:
            self._paint_values(painter, title)
        else:
            painter.drawText(title, align | Qt.AlignmentFlag.AlignRight, UNKNOWN)
        painter.setPen(QPen(theme.colour("line"), 1))
        painter.drawLine(chart.bottomLeft() - QPointF(0, 1), chart.bottomRight() - QPointF(0, 1))
        ink = theme.colour("accent")
        paint_sparkline(painter, chart, self._points, self._measure.least, ink)

    def _paint_values(self, painter: QPainter, title: QRectF) -> None:
        latest = self._measure.text(self._points[-1].value)
        highest = max(point.value for point in self._points)
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        strong = theme.font(strong=True, numbers=True)
        painter.setFont(theme.font(theme.Size.SMALL))
        painter.setPen(theme.colour("muted"))
        peak = f"peak {self._measure.text(highest)}"
        wide = painter.fontMetrics().horizontalAdvance(peak) + theme.S
        needed = painter.fontMetrics().horizontalAdvance(self._measure.title) + wide
        if needed + QFontMetrics(strong).horizontalAdvance(latest) + theme.S > title.width():
            wide = 0
        else:
            painter.drawText(title, align, peak)
        painter.setFont(strong)
        painter.setPen(theme.colour("text"))
        painter.drawText(title.adjusted(0, 0, -wide, 0), align, latest)
