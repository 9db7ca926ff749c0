"""One tile of the gallery: the photo, its best class and score, and its state."""

from __future__ import annotations

from PySide6.QtCore import QObject, QRectF, Qt
from PySide6.QtGui import QPainter, QPixmap

from desktop import formats, theme
from desktop.classify.gallery_model import PHOTO, STACK, STATE
from desktop.classify.likeness.stack_badge import paint_stack
from desktop.classify.photo import STATE_WORDS, Photo, PhotoState, capitalized
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.service_sentences import translated
from desktop.translation import tr
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
        self._small = self.badge_face = Face(theme.font(theme.Size.SMALL))

    def text_height(self) -> int:
        return self._body.height + self._small.height + 2 * _PAD + theme.XS

    def thumbnail_key(self, photo: Photo) -> ThumbnailKey:
        """Return the picture that a tile of `photo` shows."""
        width = self.cell.width() - 2 * GAP
        height = round(self.picture_height(width) * self.ratio)
        return ThumbnailKey(photo.path, round(width * self.ratio), height=height)

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        photo: Photo = index.data(PHOTO)
        text = box.adjusted(_PAD, _PAD, -_PAD, -_PAD)
        self._paint_answer(painter, text, photo)
        state = PhotoState(index.data(STATE))
        height = self._small.height
        line = QRectF(text.x(), text.bottom() - height, text.width(), height)
        if words := exception_words(photo, state):
            paint_state(painter, line, state, words, self._small)
        elif photo.top is not None:
            painter.setPen(theme.color("muted"))
            self._small.draw(painter, line, photo.name, Qt.TextElideMode.ElideMiddle)

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        photo: Photo = index.data(PHOTO)
        paint_thumbnail(painter, frame, self._thumbnails.get(self.thumbnail_key(photo)), self.ratio)
        if (stack := index.data(STACK)) is not None:
            paint_stack(painter, frame, stack, self._small)

    def picture_rect(self, cell: QRectF) -> QRectF:
        """Return where in a cell the picture is."""
        tile = self.tile_rect(cell)
        return QRectF(tile.x(), tile.y(), tile.width(), self.picture_height(tile.width()))

    def _paint_answer(self, painter: QPainter, box: QRectF, photo: Photo) -> None:
        line = QRectF(box.x(), box.y(), box.width(), self._strong.height)
        top = photo.top
        if photo.failure is not None or top is None:
            painter.setPen(theme.color("muted"))
            self._body.draw(painter, line, photo.name, Qt.TextElideMode.ElideMiddle)
            return
        painter.setPen(theme.color("text"))
        score = formats.percent(top.score)
        width = self._numbers.draw_right(painter, line, score)
        self._strong.draw(painter, line.adjusted(0, 0, -width - theme.S, 0), top.name)


def paint_thumbnail(
    painter: QPainter, frame: QRectF, picture: QPixmap | None, ratio: float
) -> None:
    """Fill `frame` with a picture; None is not decoded yet, a null one cannot be."""
    if picture is not None and not picture.isNull():
        painter.drawPixmap(frame, picture, center_crop(picture, frame))
        return
    painter.fillRect(frame, theme.color("sunken"))
    if picture is not None:
        side = 32 if frame.height() > 64 else 16
        theme.paint_icon(painter, frame.center(), "broken", "muted", side, ratio)


def paint_state(painter: QPainter, line: QRectF, state: PhotoState, words: str, face: Face) -> None:
    """Paint the mark of `state`, and words beside it."""
    mark = theme.state_mark(state)
    spot = QRectF(line.x(), line.center().y() - _MARK / 2, _MARK, _MARK)
    theme.paint_mark(painter, spot, mark)
    painter.setPen(mark.color)
    face.draw(painter, line.adjusted(_MARK + theme.XS + 2, 0, 0, 0), words)


def exception_words(photo: Photo, state: PhotoState) -> str:
    """Return what a person has to know beside the answer; empty for a photo that has one."""
    if state is PhotoState.LABELLED:
        return tr("Labelled {label}", label=photo.label)
    if photo.failure is not None:
        return tr("Failed: {what}", what=translated(photo.failure.what))
    if photo.waiting and photo.prediction is not None:
        return tr("Queued again")
    if photo.prediction is not None and photo.top is None:
        return tr("No class known yet")
    return "" if state is PhotoState.ANSWERED else capitalized(STATE_WORDS[state])
