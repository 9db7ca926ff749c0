"""One card of the Models page: nine photos, the name, and what the model can do and costs."""

from __future__ import annotations

import re
import zlib

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop import theme
from desktop.formats import plural
from desktop.models import wording
from desktop.models.accuracy_bar import paint_accuracy
from desktop.models.cards_model import ENTRY
from desktop.models.entries import MOSAIC, ModelEntry
from desktop.models.pictures import Pictures
from desktop.widgets.picture import center_crop

MIN_WIDTH = 176
_GAP = theme.XS
"""Between a card and the edge of its cell."""
_PAD = theme.M
_MARK = 10
_COLUMNS = 3
_TILE_GAP = 2
_PICTURE_STEP = 32
"""Photos are requested in steps of this many pixels, so that resizing seldom fetches."""
_BAR = 4


class CardDelegate(QStyledItemDelegate):
    """Paints cards in the cell size that `fit` chose."""

    def __init__(self, pictures: Pictures, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._strong = theme.font(strong=True)
        self._body = theme.font(numbers=True)
        self._small = theme.font(theme.Size.SMALL, numbers=True)
        self._cell = QSize(MIN_WIDTH, MIN_WIDTH)
        self.ratio = 1.0

    def fit(self, width: int, ratio: float) -> QSize:
        """Choose the cell size so that cells fill `width`; returns it."""
        columns = max(1, width // MIN_WIDTH)
        cell = width // columns
        text = _height(self._strong) + 2 * _height(self._body) + 2 * _height(self._small)
        height = self._picture_height(cell) + text + 4 * theme.XS + 2 * _PAD + 2 * _GAP
        self._cell = QSize(cell, height)
        self.ratio = ratio
        return self._cell

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return self._cell

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        entry: ModelEntry = index.data(ENTRY)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        marked = selected or bool(option.state & QStyle.StateFlag.State_HasFocus)
        card = QRectF(option.rect).adjusted(_GAP, _GAP, -_GAP, -_GAP)
        outline = QPainterPath()
        outline.addRoundedRect(card.adjusted(0.5, 0.5, -0.5, -0.5), theme.CORNER, theme.CORNER)
        fill = "accent_soft" if selected else "hover" if hovered else "raised"
        painter.save()
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        painter.fillPath(outline, theme.color(fill))
        height = self._picture_height(self._cell.width())
        picture = QRectF(card.x(), card.y(), card.width(), height)
        painter.setClipPath(outline)
        self._paint_picture(painter, picture, entry)
        painter.setClipping(False)
        painter.setPen(QPen(theme.color("accent" if marked else "line"), 2 if marked else 1))
        painter.drawPath(outline)
        self._paint_text(painter, card.adjusted(_PAD, height + _PAD, -_PAD, -_PAD), entry)
        painter.restore()

    def _picture_height(self, cell: int) -> int:
        return round((cell - 2 * _GAP) * 0.62)

    def _paint_picture(self, painter: QPainter, frame: QRectF, entry: ModelEntry) -> None:
        width = (frame.width() - (_COLUMNS - 1) * _TILE_GAP) / _COLUMNS
        height = (frame.height() - (_COLUMNS - 1) * _TILE_GAP) / _COLUMNS
        tiles = [
            QRectF(
                frame.x() + column * (width + _TILE_GAP),
                frame.y() + row * (height + _TILE_GAP),
                width,
                height,
            )
            for row in range(_COLUMNS)
            for column in range(_COLUMNS)
        ]
        if not entry.photos:
            self._paint_placeholder(painter, frame, tiles, entry)
            return
        side = -(-int(max(width, height) * self.ratio) // _PICTURE_STEP) * _PICTURE_STEP
        for number, tile in enumerate(tiles[:MOSAIC]):
            photo = entry.photos[number] if number < len(entry.photos) else None
            picture = self._pictures.get(photo.image, side) if photo is not None else None
            if picture is None or picture.isNull():
                painter.fillRect(tile, theme.color("sunken"))
            else:
                painter.drawPixmap(tile, picture, center_crop(picture, tile))

    def _paint_placeholder(
        self, painter: QPainter, frame: QRectF, tiles: list[QRectF], entry: ModelEntry
    ) -> None:
        """Paint a pattern that is the model's own, with its initials and number of classes."""
        bits = zlib.crc32(entry.name.encode())
        present = entry.model is not None
        for number, tile in enumerate(tiles):
            shade = QColor(theme.color("accent" if present else "muted"))
            shade.setAlphaF((0.06, 0.11, 0.16, 0.22)[bits >> (2 * number) & 3])
            painter.fillRect(tile, shade)
        painter.setPen(theme.color("accent" if present else "muted"))
        title = theme.font(theme.Size.TITLE, strong=True)
        painter.setFont(title)
        count = entry.model.class_count if entry.model is not None else 0
        block = _height(title) + (_height(self._small) if count else 0)
        top = frame.center().y() - block / 2
        line = QRectF(frame.x(), top, frame.width(), _height(title))
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, initials(entry.name))
        if count:
            painter.setFont(self._small)
            below = QRectF(frame.x(), line.bottom(), frame.width(), _height(self._small))
            words = plural(count, "class", "classes")
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, words)

    def _paint_text(self, painter: QPainter, box: QRectF, entry: ModelEntry) -> None:
        top = box.y()

        def line(font: QFont, text: str, token: str, indent: float = 0) -> None:
            nonlocal top
            painter.setFont(font)
            painter.setPen(theme.color(token))
            space = QRectF(box.x() + indent, top, box.width() - indent, _height(font))
            shown = QFontMetrics(font).elidedText(
                text, Qt.TextElideMode.ElideRight, int(space.width())
            )
            painter.drawText(space, Qt.AlignmentFlag.AlignLeft, shown)
            top += _height(font) + theme.XS

        line(self._strong, entry.name, "text")
        mark = theme.state_mark(wording.state(entry))
        spot = QRectF(box.x(), top + (_height(self._small) - _MARK) / 2, _MARK, _MARK)
        theme.paint_mark(painter, spot, mark)
        line(self._small, wording.state_words(entry), mark.token, _MARK + theme.XS + 2)
        if entry.run is not None:
            self._paint_progress(painter, QRectF(box.x(), top, box.width(), _BAR), entry)
            top += _BAR + theme.S
            line(self._small, entry.run.step, "muted")
            return
        model = entry.model
        if model is None:
            rest = QRectF(box.x(), top, box.width(), box.bottom() - top)
            painter.setPen(theme.color("muted"))
            painter.drawText(rest, Qt.TextFlag.TextWordWrap, wording.description(entry))
            return
        line(self._body, wording.contents(model), "text" if model.class_count else "muted")
        measured = wording.accuracy(model.accuracy, model.accuracy_error)
        if measured:
            width = QFontMetrics(self._body).horizontalAdvance(measured) + theme.M
            bar = QRectF(box.x() + width, top, box.width() - width, _height(self._body))
            paint_accuracy(painter, bar, model.accuracy, model.accuracy_error)
        line(self._body, measured or "Accuracy not measured", "text" if measured else "muted")
        line(self._small, wording.cost(entry), "muted")

    def _paint_progress(self, painter: QPainter, track: QRectF, entry: ModelEntry) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("sunken"))
        painter.drawRoundedRect(track, _BAR / 2, _BAR / 2)
        share = entry.run.progress if entry.run is not None else 0.0
        painter.setBrush(theme.color("accent"))
        track.setWidth(max(_BAR, track.width() * share))
        painter.drawRoundedRect(track, _BAR / 2, _BAR / 2)


def initials(name: str) -> str:
    """Return one or two letters or digits that stand for a model."""
    words: list[str] = re.findall(r"\w+", name)
    if len(words) > 1:
        last = words[-1]
        # The end of a name such as `lite2` says more than its beginning.
        return (words[0][0] + (last[-1] if last[-1].isdigit() else last[0])).upper()
    return (words[0][:2] if words else "?").capitalize()


def _height(font: QFont) -> int:
    return QFontMetrics(font).height()
