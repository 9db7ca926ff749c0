"""The line over a soft area by which tables and charts draw a metric."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from desktop.fleet.metric_history import Point


def paint_sparkline(
    painter: QPainter, rect: QRectF, points: Sequence[Point], min_scale: float, ink: QColor
) -> None:
    """Paint `points` as a line over a soft area, with a gap where nothing is known.

    The scale starts at zero and ends at the highest value, but never below `min_scale`,
    so that an idle instance looks idle.
    """
    if not points:
        return
    top = max(min_scale, max(point.value for point in points))
    box = rect.adjusted(1, 2, -2, -1)
    stretches: list[list[QPointF]] = []
    for point in points:
        position = QPointF(
            box.left() + point.at * box.width(),
            box.bottom() - point.value / top * box.height(),
        )
        if not stretches or not point.joined:
            stretches.append([])
        stretches[-1].append(position)
    line, area = QPainterPath(), QPainterPath()
    for stretch in stretches:
        line.moveTo(stretch[0])
        area.moveTo(stretch[0].x(), box.bottom())
        for position in stretch:
            line.lineTo(position)
            area.lineTo(position)
        area.lineTo(stretch[-1].x(), box.bottom())
    soft = QColor(ink)
    soft.setAlphaF(0.14)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setClipRect(rect)
    painter.fillPath(area, soft)
    pen = QPen(ink, 1.4)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.strokePath(line, pen)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawEllipse(stretches[-1][-1], 1.8, 1.8)
    painter.restore()
