"""One measure of one instance over time, as a chart that can be read off."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.fleet.metric_history import SPARKLINE_SECONDS, UNKNOWN, Metric, Point, describe
from desktop.fleet.sparkline import paint_sparkline
from desktop.formats import duration
from desktop.translation import tr


class MetricChart(QWidget):
    """Shows the latest value and the highest, or the value at the moment under the pointer."""

    def __init__(self, metric: Metric, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._metric = metric
        self._points: list[Point] = []
        self._window = SPARKLINE_SECONDS
        self._pointer: float | None = None
        """Its position in the window, from 0 to 1."""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMaximumHeight(170)
        self.setMouseTracking(True)
        self.setAccessibleName(metric.title)
        self.show_points([], SPARKLINE_SECONDS)

    def show_points(self, points: list[Point], window: float) -> None:
        """Draw `points` over the last `window` seconds."""
        self._points, self._window = points, window
        facts = describe(self._metric, points, window)
        if facts != self.accessibleDescription():
            self.setAccessibleDescription(facts)
        self.update()

    @property
    def facts(self) -> str:
        """What the chart shows, as text."""
        return self.accessibleDescription()

    def sizeHint(self) -> QSize:
        return QSize(220, 76)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 52)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointer = event.position().x() / max(1, self.width())
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._pointer = None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        head = float(self.fontMetrics().height())
        area = QRectF(self.rect())
        title = QRectF(area.left(), area.top(), area.width(), head)
        chart = area.adjusted(0, head + theme.XS, 0, 0)
        painter.setFont(theme.font(theme.Size.SMALL))
        painter.setPen(theme.color("muted"))
        align = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(title, align | Qt.AlignmentFlag.AlignLeft, self._metric.title)
        if self._points and self._pointer is not None:
            self._paint_moment(painter, title, chart, self._pointer)
        elif self._points:
            self._paint_values(painter, title)
        else:
            painter.drawText(title, align | Qt.AlignmentFlag.AlignRight, UNKNOWN)
        painter.setPen(QPen(theme.color("line"), 1))
        painter.drawLine(chart.bottomLeft() - QPointF(0, 1), chart.bottomRight() - QPointF(0, 1))
        ink = theme.color("accent")
        paint_sparkline(painter, chart, self._points, self._metric.min_scale, ink)

    def _paint_moment(
        self, painter: QPainter, title: QRectF, chart: QRectF, pointer: float
    ) -> None:
        point = min(self._points, key=lambda point: abs(point.at - pointer))
        ago = (1 - point.at) * self._window
        value = self._metric.text(point.value)
        moment = (
            tr("{value}, {time} ago", value=value, time=duration(ago))
            if ago >= 1
            else tr("{value}, now", value=value)
        )
        x = chart.left() + 1 + point.at * (chart.width() - 3)
        painter.setPen(QPen(theme.color("line_strong"), 1))
        painter.drawLine(QPointF(x, chart.top()), QPointF(x, chart.bottom()))
        painter.setFont(theme.font(strong=True, numbers=True))
        painter.setPen(theme.color("text"))
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(title, align, moment)

    def _paint_values(self, painter: QPainter, title: QRectF) -> None:
        latest = self._metric.text(self._points[-1].value)
        highest = max(point.value for point in self._points)
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        strong = theme.font(strong=True, numbers=True)
        painter.setFont(theme.font(theme.Size.SMALL))
        painter.setPen(theme.color("muted"))
        peak = tr("peak {value}", value=self._metric.text(highest))
        wide = painter.fontMetrics().horizontalAdvance(peak) + theme.S
        needed = painter.fontMetrics().horizontalAdvance(self._metric.title) + wide
        if needed + QFontMetrics(strong).horizontalAdvance(latest) + theme.S > title.width():
            wide = 0
        else:
            painter.drawText(title, align, peak)
        painter.setFont(strong)
        painter.setPen(theme.color("text"))
        painter.drawText(title.adjusted(0, 0, -wide, 0), align, latest)
