"""One tile of the gallery: the photo, its best class and score, and its state."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop import formats, theme
from desktop.classify.gallery_model import PHOTO, STATE
from desktop.classify.photo import Photo, PhotoState
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.widgets.picture import center_crop

MIN_WIDTH = 152
_GAP = theme.XS
"""Between a tile and the edge of its cell."""
_PAD = theme.S
_MARK = 10


class TileDelegate(QStyledItemDelegate):
    """Paints tiles in the cell size that `fit` chose."""

    def __init__(self, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._body, self._strong = _Face(theme.font()), _Face(theme.font(strong=True))
        self._numbers = _Face(theme.font(numbers=True))
        self._small = _Face(theme.font(theme.Size.SMALL))
        self._cell = QSize(MIN_WIDTH, MIN_WIDTH)
        self.ratio = 1.0

    def fit(self, width: int, ratio: float) -> QSize:
        """Choose the cell size so that cells fill `width`; returns it."""
        columns = max(1, width // MIN_WIDTH)
        cell = width // columns
        picture = round((cell - 2 * _GAP) * 3 / 4)
        lines = self._body.height + self._small.height
        self._cell = QSize(cell, picture + lines + _PAD * 2 + theme.XS + 2 * _GAP)
        self.ratio = ratio
        return self._cell

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return self._cell

    def thumbnail_key(self, photo: Photo) -> ThumbnailKey:
        """Return the picture that a tile of `photo` shows."""
        return ThumbnailKey(photo.path, round((self._cell.width() - 2 * _GAP) * self.ratio))

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        photo: Photo = index.data(PHOTO)
        state = PhotoState(index.data(STATE))
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        marked = selected or bool(option.state & QStyle.StateFlag.State_HasFocus)
        tile = QRectF(option.rect).adjusted(_GAP, _GAP, -_GAP, -_GAP)
        picture = QRectF(tile.x(), tile.y(), tile.width(), round(tile.width() * 3 / 4))
        outline = QPainterPath()
        outline.addRoundedRect(tile.adjusted(0.5, 0.5, -0.5, -0.5), theme.CORNER, theme.CORNER)
        fill = "accent_soft" if selected else "hover" if hovered else "raised"
        painter.save()
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        painter.fillPath(outline, theme.color(fill))
        painter.setClipPath(outline)
        self._paint_picture(painter, picture, photo)
        painter.setClipping(False)
        edge = theme.color("accent" if marked else "line")
        painter.setPen(QPen(edge, 2 if marked else 1))
        painter.drawPath(outline)
        text = QRectF(
            tile.x() + _PAD,
            picture.bottom() + _PAD,
            tile.width() - 2 * _PAD,
            tile.bottom() - picture.bottom() - 2 * _PAD,
        )
        self._paint_answer(painter, text, photo)
        self._paint_state(painter, text, photo, state)
        painter.restore()

    def _paint_picture(self, painter: QPainter, frame: QRectF, photo: Photo) -> None:
        picture = self._thumbnails.get(self.thumbnail_key(photo))
        if picture is not None and not picture.isNull():
            painter.drawPixmap(frame, picture, center_crop(picture, frame))
            return
        painter.fillRect(frame, theme.color("sunken"))
        if picture is not None:
            theme.paint_icon(painter, frame.center(), "broken", "muted", 32, self.ratio)

    def _paint_answer(self, painter: QPainter, box: QRectF, photo: Photo) -> None:
        line = QRectF(box.x(), box.y(), box.width(), self._strong.height)
        top = photo.top
        if photo.failure is not None or top is None:
            painter.setPen(theme.color("muted"))
            self._body.draw(painter, line, photo.name, Qt.TextElideMode.ElideMiddle)
            return
        painter.setPen(theme.color("text"))
        score = formats.percent(top.score)
        painter.setFont(self._numbers.font)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, score)
        width = self._numbers.metrics.horizontalAdvance(score) + theme.S
        self._strong.draw(painter, line.adjusted(0, 0, -width, 0), top.name)

    def _paint_state(self, painter: QPainter, box: QRectF, photo: Photo, state: PhotoState) -> None:
        height = self._small.height
        line = QRectF(box.x(), box.bottom() - height, box.width(), height)
        mark = theme.state_mark(state)
        spot = QRectF(line.x(), line.center().y() - _MARK / 2, _MARK, _MARK)
        theme.paint_mark(painter, spot, mark)
        painter.setPen(mark.color)
        space = line.adjusted(_MARK + theme.XS + 2, 0, 0, 0)
        self._small.draw(painter, space, _words(photo, state))


class _Face:
    """A font with its metrics, which are too slow to make for every tile."""

    def __init__(self, font: QFont) -> None:
        self.font = font
        self.metrics = QFontMetrics(font)
        self.height = self.metrics.height()

    def draw(
        self,
        painter: QPainter,
        space: QRectF,
        text: str,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        painter.setFont(self.font)
        shown = self.metrics.elidedText(text, mode, int(space.width()))
        painter.drawText(space, Qt.AlignmentFlag.AlignLeft, shown)


def _words(photo: Photo, state: PhotoState) -> str:
    if state is PhotoState.LABELLED:
        return f"Labelled {photo.label}"
    if photo.failure is not None:
        return f"Failed: {photo.failure.what}"
    if photo.waiting and photo.prediction is not None:
        return "Queued again"
    if photo.prediction is not None and photo.top is None:
        return "No class known yet"
    return theme.state_mark(state).word.capitalize()
