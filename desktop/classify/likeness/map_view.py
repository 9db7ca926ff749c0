"""The map itself: a point a photo, or the photo where there is room for it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.classify.likeness.map_points import MapGroup, nearest_in_direction, nearest_rows
from desktop.classify.photo import Photo
from desktop.classify.photo_tiles import paint_thumbnail
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.shortcuts import Shortcut
from desktop.translation import tr

_POINT, _SELECTED, _WRONG = 6.0, 11.0, 8.0
"""Pixels across."""
_THUMBNAIL = 56
_FRAME = 6
"""Pixels around a thumbnail that show its color, and that it is selected."""
_MAX_THUMBNAILS = 120
"""Photos in sight, from which on points are painted."""
_NEAR = 12.0
"""Pixels from the middle of a point that belong to it."""
_MARGIN = 0.04
_MIN_EXTENT = 0.2
_ZOOM = 1.25
_MAX_SCALE = 400.0
_GROWTH = 8
"""Photos that the selection grows by with the first press."""
_DIRECTIONS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class MapView(QWidget):
    """Dragging draws a lasso around photos, and with Shift adds them; a click selects one.

    The wheel, + and - zoom, the right button and Ctrl with the arrow keys move, Home shows all.
    The arrow keys go from photo to photo, with Shift they add; G adds the nearest ones.
    """

    selected = Signal(object)
    """The rows (list[int]) of the photos that are to be selected, the current one first."""
    label_requested = Signal(int)
    """A number key was pressed: 0 for none of the classes."""
    left = Signal()

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._photos: Sequence[Photo] = ()
        self._points: list[tuple[float, float]] = []
        self._groups: list[MapGroup] = []
        self._clouds: list[tuple[MapGroup, QPolygonF]] = []
        self._selection: list[int] = []
        self._scale, self._center = 1.0, QPointF(0.5, 0.5)
        self._extent = (1.0, 1.0)
        """How much of the map's square the points take, in both directions."""
        self._lasso = QPolygonF()
        self._panned_from: QPointF | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 160)
        self.setAccessibleName(tr("Map of the photos by likeness"))
        thumbnails.ready.connect(lambda _: self.update())

    def show_points(
        self,
        photos: Sequence[Photo],
        points: Sequence[tuple[float, float]],
        groups: Sequence[MapGroup],
    ) -> None:
        """Show `photos` at `points`, 0 to 1 in both directions, in the colours of `groups`."""
        if len(points) != len(self._points):
            self._selection = []
        self._photos, self._points, self._groups = photos, list(points), list(groups)
        spread = QPolygonF([QPointF(*point) for point in points]).boundingRect()
        self._extent = (max(spread.width(), _MIN_EXTENT), max(spread.height(), _MIN_EXTENT))
        self._clouds = [
            (group, QPolygonF([QPointF(*points[row]) for row in group.rows])) for group in groups
        ]
        self.update()

    def show_selection(self, rows: Sequence[int]) -> None:
        """Mark the photos that are selected, the current one first."""
        self._selection = list(rows)
        self.update()

    @property
    def current(self) -> int | None:
        """The row of the photo that keys go on from; None if none is selected."""
        return self._selection[0] if self._selection else None

    def position(self, row: int) -> QPointF:
        """Return where a photo is, in pixels of this widget."""
        return self._transform().map(QPointF(*self._points[row]))

    def fit(self) -> None:
        """Show the whole map."""
        self._scale, self._center = 1.0, QPointF(0.5, 0.5)
        self.update()

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Enlarge by `factor`; what is at a point of this widget stays there."""
        at = QRectF(self.rect()).center() if at is None else at
        before = self._transform().inverted()[0].map(at)
        self._scale = min(_MAX_SCALE, max(1.0, self._scale * factor))
        after = self._transform().inverted()[0].map(at)
        self._center += before - after
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("surface"))
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        visible_points = self._visible_points()
        if visible_points is None:
            self._paint_points(painter)
        else:
            self._paint_thumbnails(painter, visible_points)
        if self._lasso.size() > 1:
            painter.setPen(QPen(theme.color("accent"), 1.5, Qt.PenStyle.DashLine))
            fill = theme.color("accent")
            fill.setAlphaF(0.12)
            painter.setBrush(fill)
            painter.drawPolygon(self._lasso)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _paint_points(self, painter: QPainter) -> None:
        # Mapped here: points that the painter transforms come out stretched.
        transform = self._transform()
        chosen = transform.map(QPolygonF([QPointF(*self._points[row]) for row in self._selection]))
        _draw(painter, chosen, "text", _SELECTED, Qt.PenCapStyle.RoundCap)
        _draw(painter, chosen, "surface", _SELECTED - 3, Qt.PenCapStyle.RoundCap)
        for group, cloud in self._clouds:
            square = group.is_wrong
            cap = Qt.PenCapStyle.SquareCap if square else Qt.PenCapStyle.RoundCap
            pen = QPen(theme.map_color(group.color), _WRONG if square else _POINT)
            _draw_with(painter, transform.map(cloud), pen, cap)
        if self.current is not None:
            painter.setPen(QPen(theme.color("text"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(self.position(self.current), _SELECTED, _SELECTED)

    def _paint_thumbnails(self, painter: QPainter, rows: Sequence[int]) -> None:
        colors = {row: group for group in self._groups for row in group.rows}
        selected = set(self._selection)
        ratio = self.devicePixelRatioF()
        for row in sorted(rows, key=lambda row: (row == self.current, row in selected)):
            frame = QRectF(0, 0, _THUMBNAIL, _THUMBNAIL)
            frame.moveCenter(self.position(row))
            key = ThumbnailKey(self._photos[row].path, round(_THUMBNAIL * ratio))
            paint_thumbnail(painter, frame, self._thumbnails.get(key), ratio)
            group = colors.get(row)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            style = Qt.PenStyle.DashLine if group and group.is_wrong else Qt.PenStyle.SolidLine
            painter.setPen(QPen(theme.map_color(group.color if group else -1), 3, style))
            painter.drawRect(frame)
            if row in selected:
                painter.setPen(QPen(theme.color("text"), 4 if row == self.current else 2))
                painter.drawRect(frame.adjusted(-4, -4, 4, 4))

    def _visible_points(self) -> list[int] | None:
        """Return the photos in sight; None if they are too many to show them."""
        if self._scale == 1.0 and len(self._points) > _MAX_THUMBNAILS:
            return None
        area = QRectF(self.rect())
        transform = self._transform()
        found: list[int] = []
        for row, point in enumerate(self._points):
            if area.contains(transform.map(QPointF(*point))):
                found.append(row)
                if len(found) > _MAX_THUMBNAILS:
                    return None
        return found

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._lasso = QPolygonF([event.position()])
        else:
            self._panned_from = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._panned_from is not None:
            moved = event.position() - self._panned_from
            self._panned_from = event.position()
            self._move(-moved.x(), -moved.y())
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self._lasso.append(event.position())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._panned_from = None
        if event.button() != Qt.MouseButton.LeftButton:
            return
        lasso, self._lasso = self._lasso, QPolygonF()
        adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        size: QSizeF = lasso.boundingRect().size()
        if size.width() + size.height() < 2 * _NEAR:
            row = self._row_at(event.position())
            found = [] if row is None else [row]
        else:
            found = self._inside(lasso)
        self._select(found, adds=adds)
        self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.zoom(_ZOOM ** (event.angleDelta().y() / 120), event.position())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if Shortcut.MAP_MOVE.matches(event):
            dx, dy = _DIRECTIONS[key]
            self._move(dx * self.width() / 8, dy * self.height() / 8)
        elif Shortcut.MAP_STEP.matches(event):
            self._step(*_DIRECTIONS[key], adds=False)
        elif Shortcut.MAP_ADD.matches(event):
            self._step(*_DIRECTIONS[key], adds=True)
        elif Shortcut.MAP_IN.matches(event):
            self.zoom(_ZOOM)
        elif Shortcut.MAP_OUT.matches(event):
            self.zoom(1 / _ZOOM)
        elif Shortcut.WHOLE_MAP.matches(event):
            self.fit()
        elif Shortcut.GROW.matches(event) and self.current is not None:
            number = _GROWTH * max(1, round(2 * len(self._selection) / _GROWTH))
            self._select(nearest_rows(self._points, self.current, number), adds=False)
        elif key == Qt.Key.Key_A and control:
            self._select(list(range(len(self._points))), adds=False)
        elif Shortcut.LEAVE_MAP.matches(event):
            if self._selection:
                self._select([], adds=False)
            else:
                self.left.emit()
        elif event.text() and event.text() in "0123456789" and not control:
            self.label_requested.emit(int(event.text()))
        else:
            super().keyPressEvent(event)

    def _step(self, dx: int, dy: int, *, adds: bool) -> None:
        if not self._points:
            return
        start = self.current
        row = 0 if start is None else nearest_in_direction(self._points, start, dx, dy)
        if row is not None:
            self._select([row, *(self._selection if adds else ())], adds=False)
            if not QRectF(self.rect()).contains(self.position(row)):
                self._center = QPointF(*self._points[row])
                self.update()

    def _select(self, rows: Sequence[int], *, adds: bool) -> None:
        chosen = [*rows, *self._selection] if adds else rows
        self._selection = list(dict.fromkeys(chosen))
        self.selected.emit(list(self._selection))
        self.update()

    def _row_at(self, position: QPointF) -> int | None:
        reach = _NEAR if self._visible_points() is None else _THUMBNAIL / 2
        distances = [
            ((self.position(row) - position).manhattanLength(), row)
            for row in range(len(self._points))
        ]
        near = min(distances, default=(reach, 0))
        return near[1] if near[0] < reach else None

    def _inside(self, lasso: QPolygonF) -> list[int]:
        on_map = self._transform().inverted()[0].map(lasso)
        box = on_map.boundingRect()
        return [
            row
            for row, point in enumerate(self._points)
            if box.contains(*point)
            and on_map.containsPoint(QPointF(*point), Qt.FillRule.OddEvenFill)
        ]

    def _move(self, dx: float, dy: float) -> None:
        """Move by pixels of this widget."""
        side = self._side()
        self._center += QPointF(dx / side, dy / side)
        self.update()

    def _side(self) -> float:
        """Return how many pixels the side of the map has."""
        # The photos at the edges are to be seen as a whole.
        frame = _THUMBNAIL + 2 * _FRAME if len(self._points) <= _MAX_THUMBNAILS else 0
        width = min(self.width() * (1 - 2 * _MARGIN), self.width() - frame)
        height = min(self.height() * (1 - 2 * _MARGIN), self.height() - frame)
        return max(1.0, min(width / self._extent[0], height / self._extent[1]) * self._scale)

    def _transform(self) -> QTransform:
        """Return what turns places on the map into pixels of this widget."""
        middle, side = QRectF(self.rect()).center(), self._side()
        transform = QTransform.fromTranslate(middle.x(), middle.y())
        transform.scale(side, side)
        return transform.translate(-self._center.x(), -self._center.y())


def _draw(
    painter: QPainter, points: QPolygonF, token: str, width: float, cap: Qt.PenCapStyle
) -> None:
    _draw_with(painter, points, QPen(theme.color(token), width), cap)


def _draw_with(painter: QPainter, points: QPolygonF, pen: QPen, cap: Qt.PenCapStyle) -> None:
    pen.setCapStyle(cap)
    painter.setPen(pen)
    painter.drawPoints(points)
