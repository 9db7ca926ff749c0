"""The gallery as a list: a row a photo, with what the tiles have no room for."""

from __future__ import annotations

from PySide6.QtCore import QObject, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyleOptionViewItem

from desktop import formats, theme
from desktop.classify.gallery_model import PHOTO, STACK, STATE
from desktop.classify.likeness.stack_badge import paint_stack
from desktop.classify.photo import Photo, PhotoState
from desktop.classify.photo_tiles import exception_words, paint_state, paint_thumbnail
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.widgets.tile_grid import Face, Index, Tiles

_ROW = 48
_PICTURE = 40
_SCORE = 48
"""Pixels of the column of scores."""
_SHARES = (0.32, 0.28, 0.24, 0.16)
"""Of the width beside picture and score: name, class, state, and the version that answered."""
_MIN_WIDTH_FOR_VERSION = 480


class PhotoRows(Tiles):
    """Paints the photos of a GalleryModel as rows across the whole width."""

    def __init__(self, thumbnails: Thumbnails, parent: QObject) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._body, self._strong = Face(theme.font()), Face(theme.font(strong=True))
        self._numbers = Face(theme.font(numbers=True))
        self._small = self.badge_face = Face(theme.font(theme.Size.SMALL))

    def fit(self, width: int, ratio: float) -> QSize:
        self.cell, self.ratio = QSize(max(1, width), _ROW), ratio
        return self.cell

    def thumbnail_key(self, photo: Photo) -> ThumbnailKey:
        """Return the picture that the row of `photo` shows."""
        side = round(_PICTURE * self.ratio)
        return ThumbnailKey(photo.path, side, height=side)

    def picture_rect(self, cell: QRectF) -> QRectF:
        """Return where in a row the picture is."""
        row = _row_rect(cell)
        top = row.center().y() - _PICTURE / 2
        return QRectF(row.x() + theme.XS, top, _PICTURE, _PICTURE)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        photo: Photo = index.data(PHOTO)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        row = _row_rect(QRectF(option.rect))
        painter.save()
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        if selected or hovered or focused:
            painter.setPen(QPen(theme.color("accent"), 1) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent_soft" if selected else "hover"))
            painter.drawRoundedRect(row, theme.CORNER, theme.CORNER)
        picture = self.picture_rect(QRectF(option.rect))
        shown = self._thumbnails.get(self.thumbnail_key(photo))
        paint_thumbnail(painter, picture, shown, self.ratio)
        if (stack := index.data(STACK)) is not None:
            paint_stack(painter, picture, stack, self._small)
        text = row.adjusted(_PICTURE + theme.M, 0, -theme.S, 0)
        self._paint_columns(painter, text, photo, PhotoState(index.data(STATE)))
        painter.restore()

    def _paint_columns(
        self, painter: QPainter, row: QRectF, photo: Photo, state: PhotoState
    ) -> None:
        line = QRectF(row.x(), row.center().y() - self._body.height / 2, 0, self._body.height)
        shares = _SHARES if row.width() >= _MIN_WIDTH_FOR_VERSION else _SHARES[:3]
        space = row.width() - _SCORE - len(shares) * theme.M
        columns: list[QRectF] = []
        for share in shares:
            line.setWidth(space * share / sum(shares))
            columns.append(QRectF(line))
            line.moveLeft(line.right() + theme.M)
            if len(columns) == 2:  # the score stands beside the class
                line.setWidth(_SCORE)
                score = QRectF(line)
                line.moveLeft(line.right() + theme.M)
        painter.setPen(theme.color("text"))
        self._body.draw(painter, columns[0], photo.name, Qt.TextElideMode.ElideMiddle)
        if photo.top is not None:
            self._strong.draw(painter, columns[1], photo.top.name)
            painter.setFont(self._numbers.font)
            painter.drawText(score, Qt.AlignmentFlag.AlignRight, formats.percent(photo.top.score))
        if words := exception_words(photo, state):
            paint_state(painter, columns[2], state, words, self._body)
        if len(columns) > 3 and photo.prediction is not None:
            painter.setPen(theme.color("muted"))
            version = f"{photo.model} v{photo.prediction.version}"
            self._body.draw(painter, columns[3], version, Qt.TextElideMode.ElideMiddle)


def _row_rect(cell: QRectF) -> QRectF:
    return cell.adjusted(0.5, 0.5, -0.5 - theme.S, -1.5)
