"""One photo as large as the window, to be looked at closely."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.classify.explain.heat import HeatOverlay
from desktop.classify.explain.panel import paint_legend
from desktop.classify.photo import Photo
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.shortcuts import Shortcut
from desktop.translation import tr

_SIDE = 4096
"""Pixels of the longer side that are decoded."""
_STEP = 1.25
_MAX_SCALE = 16.0
_PAN = 60
_LEGEND_WIDTH = 320


class ZoomedPhoto(QWidget):
    """Covers `over`. The wheel, + and - zoom at the pointer or the middle, 0 fits, 1 shows pixel by
    pixel; the mouse and the arrow keys move what does not fit. Left and Right go to the next photo
    while all of it is seen. E shows what its answer depends on. Escape, Return, Z and a double
    click leave."""

    left = Signal()
    explain_requested = Signal()
    """Show what the answer depends on, or no longer."""

    def __init__(
        self, thumbnails: Thumbnails, over: QWidget, step: Callable[[int], Photo | None]
    ) -> None:
        """`step` selects the next photo (1) or the one before (-1), and returns it if there is."""
        super().__init__(over)
        self._over = over
        self._thumbnails = thumbnails
        self._step = step
        self._photo: Photo | None = None
        self._scale = 0.0
        """Pixels of the screen in one of the photo; 0 fits."""
        self._center = QPointF()
        """The point of the photo in the middle of the view."""
        self._dragged_from: QPointF | None = None
        self._heat: HeatOverlay | None = None
        self._sentence = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.hide()
        thumbnails.ready.connect(self._refresh)

    @property
    def scale(self) -> float:
        """Pixels of the screen in one of the photo."""
        return self._scale or self._fitting_scale()

    def show_photo(self, photo: Photo) -> None:
        """Show a photo, as large as fits."""
        self._photo, self._scale = photo, 0.0
        self.setAccessibleName(tr("Photo {name}, large. Escape leaves.", name=photo.name))
        self.setGeometry(self._over.rect())
        self.show()
        self.raise_()
        self.setFocus(Qt.FocusReason.PopupFocusReason)
        self.update()

    def show_heat(self, heat: HeatOverlay | None, sentence: str = "") -> None:
        """Show the photo in grey with `heat` over it, or as it is, and `sentence` below it."""
        self._heat, self._sentence = heat, sentence
        self.setAccessibleDescription(sentence)
        self.update()

    def leave(self) -> None:
        self.hide()
        self._photo = None
        self.left.emit()

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Enlarge by `factor`; what is at a point of this widget stays there."""
        size = self._size()
        if size.isEmpty():
            return
        before, fitting = self.scale, self._fitting_scale()
        after = max(fitting, min(_MAX_SCALE, before * factor))
        middle = QPointF(self.width() / 2, self.height() / 2)
        offset = (at or middle) - middle
        center = self._center if self._scale else size.center()
        self._center = center + offset / before - offset / after
        self._scale = 0.0 if after <= fitting * 1.001 else after
        self._keep_inside()
        self.update()

    def event(self, event: QEvent) -> bool:
        # Keys are for the photo before they are shortcuts: the window has one for Escape.
        if (
            event.type() is QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        moves = {
            Qt.Key.Key_Left: QPointF(-_PAN, 0),
            Qt.Key.Key_Right: QPointF(_PAN, 0),
            Qt.Key.Key_Up: QPointF(0, -_PAN),
            Qt.Key.Key_Down: QPointF(0, _PAN),
        }
        if Shortcut.LEAVE_LARGE.matches(event):
            self.leave()
        elif Shortcut.ZOOM_IN.matches(event):
            self.zoom(_STEP)
        elif Shortcut.ZOOM_OUT.matches(event):
            self.zoom(1 / _STEP)
        elif Shortcut.ZOOM_FIT.matches(event):
            self.zoom(0.0)
        elif Shortcut.ZOOM_PIXELS.matches(event):
            self.zoom(1 / self.devicePixelRatioF() / self.scale)
        elif Shortcut.EXPLAIN_LARGE.matches(event):
            self.explain_requested.emit()
        elif key in moves and self._scale:
            self._move(moves[Qt.Key(key)])
        elif Shortcut.NEXT_LARGE.matches(event):
            photo = self._step(1 if key == Qt.Key.Key_Right else -1)
            if photo is not None:
                self.show_photo(photo)
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.zoom(_STEP ** (event.angleDelta().y() / 120), event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._dragged_from = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragged_from is not None and self._scale:
            self._move(self._dragged_from - event.position())
            self._dragged_from = event.position()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragged_from = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.leave()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._keep_inside()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("window"))
        painter.setPen(theme.color("muted"))
        size = self._size()
        if size.isEmpty():
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._waiting_words())
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.scale < 4)
        scale = self.scale
        center = self._center if self._scale else size.center()
        box = QRectF(0, 0, size.width() * scale, size.height() * scale)
        box.moveTopLeft(QPointF(self.width() / 2, self.height() / 2) - center * scale)
        picture = self._picture()
        assert picture is not None
        if self._heat is not None:
            painter.drawPixmap(box, self._heat.grey(picture), size)
            self._heat.paint(painter, box)
        else:
            painter.drawPixmap(box, picture, size)
        if self._sentence:
            self._paint_sentence(painter)

    def _paint_sentence(self, painter: QPainter) -> None:
        """Paint the legend and the sentence in a box at the lower edge."""
        painter.setFont(theme.font(theme.Size.SMALL))
        line = painter.fontMetrics().height()
        within = painter.fontMetrics().horizontalAdvance(self._sentence) + 2 * theme.M
        box = QRectF(0, 0, min(self.width(), max(_LEGEND_WIDTH, within)), 2 * line + 5 * theme.XS)
        box.moveCenter(QPointF(self.width() / 2, self.height() - box.height() / 2 - theme.M))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(theme.color("line_strong"))
        painter.setBrush(theme.color("raised"))
        painter.drawRoundedRect(box, theme.CORNER, theme.CORNER)
        inner = box.adjusted(theme.M, theme.S, -theme.M, -theme.S)
        legend = QRectF(inner.topLeft(), inner.size())
        legend.setHeight(line)
        if self._heat is not None:
            paint_legend(painter, legend, theme.color("text"))
        painter.setPen(theme.color("text"))
        below = QRectF(inner)
        below.setTop(inner.bottom() - line)
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, self._sentence)

    def _waiting_words(self) -> str:
        picture = self._picture()
        return "" if picture is None else tr("This photo cannot be shown.")

    def _key(self) -> ThumbnailKey | None:
        return ThumbnailKey(self._photo.path, _SIDE, cover=False) if self._photo else None

    def _picture(self) -> QPixmap | None:
        key = self._key()
        return self._thumbnails.get(key) if key is not None else None

    def _size(self) -> QRectF:
        picture = self._picture()
        return QRectF() if picture is None else QRectF(picture.rect())

    def _fitting_scale(self) -> float:
        size = self._size()
        if size.isEmpty():
            return 1.0
        return min(self.width() / size.width(), self.height() / size.height(), 2.0)

    def _move(self, by: QPointF) -> None:
        self._center += by / self.scale
        self._keep_inside()
        self.update()

    def _keep_inside(self) -> None:
        """Leave no empty space at a side that could show the photo."""
        size, scale = self._size(), self.scale
        half = QPointF(self.width() / 2 / scale, self.height() / 2 / scale)

        def within(value: float, margin: float, length: float) -> float:
            return length / 2 if 2 * margin >= length else min(max(margin, value), length - margin)

        self._center = QPointF(
            within(self._center.x(), half.x(), size.width()),
            within(self._center.y(), half.y(), size.height()),
        )

    def _refresh(self, key: ThumbnailKey) -> None:
        if self.isVisible() and key == self._key():
            self.update()
