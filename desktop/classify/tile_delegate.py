"""One tile of the gallery: the photo, its best class and score, and its state."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop import formats, theme
from desktop.classify.gallery_model import PHOTO, STATE
from desktop.classify.photo import Photo, PhotoState
from desktop.classify.pictures import Pictures, Wanted

SMALLEST_WIDTH = 152
_GAP = theme.XS
"""Between a tile and the edge of its cell."""
_PAD = theme.S
_MARK = 10


class TileDelegate(QStyledItemDelegate):
    """Paints tiles of the cell size that it is given."""

    def __init__(self, pictures: Pictures, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._cell = QSize(SMALLEST_WIDTH, SMALLEST_WIDTH)
        self.ratio = 1.0

    def fit(self, width: int, ratio: float) -> QSize:
        """Choose the cell size so that cells fill `width`; returns it."""
        columns = max(1, width // SMALLEST_WIDTH)
        cell = width // columns
        picture = round((cell - 2 * _GAP) * 3 / 4)
        lines = (
            QFontMetrics(theme.font()).height()
            + QFontMetrics(theme.font(theme.Size.SMALL)).height()
        )
        self._cell = QSize(cell, picture + lines + _PAD * 2 + theme.XS + 2 * _GAP)
        self.ratio = ratio
        return self._cell

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return self._cell

    def wanted(self, photo: Photo) -> Wanted:
        """Return the picture that a tile of `photo` shows."""
        return Wanted(photo.path, round((self._cell.width() - 2 * _GAP) * self.ratio))

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        photo: Photo = index.data(PHOTO)
        state = PhotoState(index.data(STATE))
        flags = option.state
        selected = bool(flags & QStyle.StateFlag.State_Selected)
        hovered = bool(flags & QStyle.StateFlag.State_MouseOver)
        current = bool(flags & QStyle.StateFlag.State_HasFocus)
        tile = QRectF(option.rect).adjusted(_GAP, _GAP, -_GAP, -_GAP)
        colours = theme.tokens()
        painter.save()
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        outline = QPainterPath()
        outline.addRoundedRect(tile.adjusted(0.5, 0.5, -0.5, -0.5), theme.CORNER, theme.CORNER)
        fill = colours.accent_soft if selected else colours.hover if hovered else colours.raised
        painter.fillPath(outline, QColor(fill))
        picture = QRectF(tile.x(), tile.y(), tile.width(), round(tile.width() * 3 / 4))
        painter.save()
        painter.setClipPath(outline)
        painter.setClipRect(picture, Qt.ClipOperation.IntersectClip)
        self._paint_picture(painter, picture, photo)
        painter.restore()
        edge = colours.accent if selected or current else colours.line
        painter.setPen(QPen(QColor(edge), 2 if selected or current else 1))
        painter.drawPath(outline)
        text = QRectF(
            tile.x() + _PAD,
            picture.bottom() + _PAD,
            tile.width() - 2 * _PAD,
            tile.bottom() - picture.bottom() - 2 * _PAD,
        )
        _paint_answer(painter, text, photo)
        _paint_state(painter, text, photo, state)
        painter.restore()

    def _paint_picture(self, painter: QPainter, frame: QRectF, photo: Photo) -> None:
        painter.fillRect(frame, theme.colour("sunken"))
        picture = self._pictures.get(self.wanted(photo))
        if picture is None:
            return
        if picture.isNull():
            side = 32
            broken = theme.pixmap("broken", "muted", side, self.ratio, theme.tokens())
            centre = frame.center()
            painter.drawPixmap(round(centre.x() - side / 2), round(centre.y() - side / 2), broken)
            return
        painter.drawPixmap(frame, picture, covering(picture, frame))


def covering(picture: QPixmap, frame: QRectF) -> QRectF:
    """Return the middle part of `picture` that has the shape of `frame`."""
    width, height = float(picture.width()), float(picture.height())
    shape = frame.width() / frame.height()
    part = QRectF(0, 0, min(width, height * shape), min(height, width / shape))
    part.moveCenter(QRectF(0, 0, width, height).center())
    return part


def _paint_answer(painter: QPainter, box: QRectF, photo: Photo) -> None:
    left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
    strong = theme.font(strong=True)
    metrics = QFontMetrics(strong)
    line = QRectF(box.x(), box.y(), box.width(), metrics.height())
    top = photo.top
    if photo.problem is not None or top is None:
        painter.setFont(theme.font())
        painter.setPen(theme.colour("muted"))
        name = QFontMetrics(painter.font()).elidedText(
            photo.name, Qt.TextElideMode.ElideMiddle, int(line.width())
        )
        painter.drawText(line, left, name)
        return
    numbers = theme.font(numbers=True)
    score = formats.percent(top.score)
    width = QFontMetrics(numbers).horizontalAdvance(score) + theme.S
    painter.setPen(theme.colour("text"))
    painter.setFont(strong)
    room = line.adjusted(0, 0, -width, 0)
    shown = metrics.elidedText(top.name, Qt.TextElideMode.ElideRight, int(room.width()))
    painter.drawText(room, left, shown)
    painter.setFont(numbers)
    painter.drawText(line, right, score)


def _paint_state(painter: QPainter, box: QRectF, photo: Photo, state: PhotoState) -> None:
    small = theme.font(theme.Size.SMALL)
    metrics = QFontMetrics(small)
    line = QRectF(box.x(), box.bottom() - metrics.height(), box.width(), metrics.height())
    mark = theme.state_mark(state)
    spot = QRectF(line.x(), line.center().y() - _MARK / 2, _MARK, _MARK)
    theme.paint_mark(painter, spot, mark)
    words = mark.word.capitalize()
    if state is PhotoState.LABELLED:
        words = f"Labelled {photo.label}"
    elif photo.problem is not None:
        words = f"Failed: {photo.problem.what}"
    elif photo.waiting and photo.prediction is not None:
        words = "Queued again"
    room = line.adjusted(_MARK + theme.XS + 2, 0, 0, 0)
    painter.setFont(small)
    painter.setPen(mark.colour)
    shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, int(room.width()))
    painter.drawText(room, Qt.AlignmentFlag.AlignLeft, shown)
