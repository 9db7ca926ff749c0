"""One tile of the gallery: the photo, its best class and score, and its state."""

from __future__ import annotations

from PySide6.QtCore import QObject, QRectF, Qt
from PySide6.QtGui import QPainter

from desktop import formats, theme
from desktop.classify.gallery_model import PHOTO, STATE
from desktop.classify.photo import Photo, PhotoState
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.widgets.picture import center_crop
from desktop.widgets.tile_grid import GAP, Face, Index, Tiles

_PAD = theme.S
_MARK = 10


class PhotoTiles(Tiles):
    """Paints the photos of a GalleryModel."""

    def __init__(self, thumbnails: Thumbnails, parent: QObject) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._body, self._strong = Face(theme.font()), Face(theme.font(strong=True))
        self._numbers = Face(theme.font(numbers=True))
        self._small = Face(theme.font(theme.Size.SMALL))

    def text_height(self) -> int:
        return self._body.height + self._small.height + 2 * _PAD + theme.XS

    def thumbnail_key(self, photo: Photo) -> ThumbnailKey:
        """Return the picture that a tile of `photo` shows."""
        return ThumbnailKey(photo.path, round((self.cell.width() - 2 * GAP) * self.ratio))

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        photo: Photo = index.data(PHOTO)
        text = box.adjusted(_PAD, _PAD, -_PAD, -_PAD)
        self._paint_answer(painter, text, photo)
        self._paint_state(painter, text, photo, PhotoState(index.data(STATE)))

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        photo: Photo = index.data(PHOTO)
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
