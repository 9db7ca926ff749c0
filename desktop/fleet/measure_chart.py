"""One measure of one instance over time, as a chart that can be read off."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.fleet.history import SPARKLINE, UNKNOWN, Measure, Point, described
from desktop.fleet.sparkline import paint_sparkline
from desktop.formats import duration


class MeasureChart(QWidget):
    """Shows the latest value and the highest; under the pointer, the value of that moment."""

    def __init__(self, measure: Measure, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._measure = measure
        self._points: list[Point] = []
        self._window = SPARKLINE
        self._pointed: float | None = None
        """Where the pointer is, as a place in the window."""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMaximumHeight(140)
        self.setMouseTracking(True)
        self.setAccessibleName(measure.title)
        self.show_points([], SPARKLINE)

    def show_points(self, points: list[Point], window: float) -> None:
        """Draw `points` over the last `window` seconds."""
        self._points, self._window = points, window
        facts = described(self._measure, points, window)
        if facts != self.accessibleDescription():
            self.setAccessibleDescription(facts)
        self.update()

    @property
    def facts(self) -> str:
        """What the chart shows, as text."""
        return self.accessibleDescription()

    @property
    def pointed(self) -> str:
        """What the moment under the pointer was like; empty where there is none."""
        point = self._pointed_point()
        if point is None:
            return ""
        ago = (1 - point.at) * self._window
        when = f"{duration(ago)} ago" if ago >= 1 else "now"
        return f"{self._measure.text(point.value)}, {when}"

    def sizeHint(self) -> QSize:
        return QSize(220, 76)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 52)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointed = event.position().x() / max(1, self.width())
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._pointed = None
        self.update()

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
        if pointed := self.pointed:
            self._paint_pointed(painter, title, chart, pointed)
        elif self._points:
            self._paint_values(painter, title)
        else:
            painter.drawText(title, align | Qt.AlignmentFlag.AlignRight, UNKNOWN)
        painter.setPen(QPen(theme.colour("line"), 1))
        painter.drawLine(chart.bottomLeft() - QPointF(0, 1), chart.bottomRight() - QPointF(0, 1))
        ink = theme.colour("accent")
        paint_sparkline(painter, chart, self._points, self._measure.least, ink)

    def _pointed_point(self) -> Point | None:
        pointed = self._pointed
        if pointed is None or not self._points:
            return None
        return min(self._points, key=lambda point: abs(point.at - pointed))

    def _paint_pointed(self, painter: QPainter, title: QRectF, chart: QRectF, pointed: str) -> None:
        point = self._pointed_point()
        assert point is not None
        x = chart.left() + 1 + point.at * (chart.width() - 3)
        painter.setPen(QPen(theme.colour("line_strong"), 1))
        painter.drawLine(QPointF(x, chart.top()), QPointF(x, chart.bottom()))
        painter.setFont(theme.font(strong=True, numbers=True))
        painter.setPen(theme.colour("text"))
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(title, align, pointed)

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
