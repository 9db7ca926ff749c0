"""State marks: each state has a word, a shape and a colour, so that colour is not all it has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from desktop.theme.tokens import color
from desktop.translation import tr


class Shape(Enum):
    """What a state mark looks like without its colour."""

    RING = "ring"
    HALF = "half"
    DISC = "disc"
    CHECK = "check"
    TRIANGLE = "triangle"
    SQUARE = "square"
    DIAMOND = "diamond"
    CROSS = "cross"
    TAG = "tag"


@dataclass(frozen=True)
class StateMark:
    """What a state looks like: a word, a shape, and the name of a colour token."""

    word: str
    """In the language of the window."""
    shape: Shape
    token: str

    @property
    def color(self) -> QColor:
        return color(self.token)


_MARKS = {
    "queued": StateMark(tr("Queued"), Shape.RING, "neutral"),
    "starting": StateMark(tr("Starting"), Shape.HALF, "waiting"),
    "ready": StateMark(tr("Ready"), Shape.DISC, "ready"),
    "asleep": StateMark(tr("Asleep"), Shape.RING, "neutral"),
    "draining": StateMark(tr("Draining"), Shape.TRIANGLE, "draining"),
    "stopped": StateMark(tr("Stopped"), Shape.SQUARE, "neutral"),
    "failed": StateMark(tr("Failed"), Shape.CROSS, "failed"),
    "answered": StateMark(tr("Answered"), Shape.CHECK, "neutral"),
    "unsure": StateMark(tr("Unsure"), Shape.DIAMOND, "waiting"),
    "labelled": StateMark(tr("Labelled"), Shape.TAG, "accent"),
    "running": StateMark(tr("Running"), Shape.HALF, "accent"),
    "succeeded": StateMark(tr("Succeeded"), Shape.CHECK, "accent"),
    "cancelled": StateMark(tr("Cancelled"), Shape.SQUARE, "neutral"),
    "live": StateMark(tr("Live"), Shape.DISC, "ready"),
    "canary": StateMark(tr("Canary"), Shape.HALF, "accent"),
    "held back": StateMark(tr("Held back"), Shape.DIAMOND, "waiting"),
    "current": StateMark(tr("Current"), Shape.CHECK, "accent"),
    "served": StateMark(tr("Served"), Shape.DISC, "ready"),
    "not served": StateMark(tr("Not served"), Shape.SQUARE, "neutral"),
    "loading": StateMark(tr("Loading"), Shape.HALF, "waiting"),
    "learning": StateMark(tr("Learning"), Shape.HALF, "accent"),
    "built in": StateMark(tr("Built in"), Shape.RING, "neutral"),
}


def state_mark(state: str) -> StateMark:
    """Return the mark of `state`: queued, starting, ready, asleep, draining, stopped, failed,
    answered, unsure, labelled, running, succeeded, cancelled, live, canary, held back, current,
    served, not served, loading, learning or built in.

    Raises KeyError for any other word: one state, one name.
    """
    return _MARKS[str(state)]


_Corners = tuple[tuple[float, float], ...]

_POLYGONS: dict[Shape, _Corners] = {
    Shape.SQUARE: ((0.08, 0.08), (0.92, 0.08), (0.92, 0.92), (0.08, 0.92)),
    Shape.TRIANGLE: ((0.0, 0.15), (1.0, 0.15), (0.5, 0.95)),
    Shape.DIAMOND: ((0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)),
    Shape.TAG: ((0.0, 0.18), (0.6, 0.18), (1.0, 0.5), (0.6, 0.82), (0.0, 0.82)),
}
_STROKES: dict[Shape, list[_Corners]] = {
    Shape.CHECK: [((0.0, 0.55), (0.38, 0.92), (1.0, 0.12))],
    Shape.CROSS: [((0.1, 0.1), (0.9, 0.9)), ((0.9, 0.1), (0.1, 0.9))],
}
"""Corners as fractions of the mark's side; the other shapes are circles."""


def paint_mark(painter: QPainter, rect: QRectF, mark: StateMark) -> None:
    """Paint the shape of `mark` in its colour, as large as fits a square in `rect`."""
    side = min(rect.width(), rect.height())
    box = QRectF(0, 0, side * 0.76, side * 0.76)
    box.moveCenter(rect.center())

    def points(corners: _Corners) -> QPolygonF:
        return QPolygonF(
            [QPointF(box.x() + x * box.width(), box.y() + y * box.height()) for x, y in corners]
        )

    pen = QPen(mark.color, max(1.5, side * 0.14))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(pen)
    hollow = mark.shape in (Shape.RING, Shape.HALF, Shape.SQUARE)
    painter.setBrush(Qt.BrushStyle.NoBrush if hollow else mark.color)
    if mark.shape in _POLYGONS:
        painter.drawPolygon(points(_POLYGONS[mark.shape]))
    elif mark.shape in _STROKES:
        for stroke in _STROKES[mark.shape]:
            painter.drawPolyline(points(stroke))
    else:
        painter.drawEllipse(box)
    if mark.shape is Shape.HALF:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(mark.color)
        painter.drawPie(box, 90 * 16, -180 * 16)
    painter.restore()
