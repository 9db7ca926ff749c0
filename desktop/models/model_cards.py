"""One card of the Models page: nine photos, the name, and what the model can do and costs."""

from __future__ import annotations

import re
import zlib

from PySide6.QtCore import QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from desktop import theme
from desktop.formats import plural
from desktop.models import wording
from desktop.models.cards_model import ENTRY
from desktop.models.entries import MOSAIC, ModelEntry
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions.wording import accuracy
from desktop.widgets.accuracy_bar import paint_accuracy
from desktop.widgets.picture import center_crop
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_text import several_lines
from desktop.widgets.tile_grid import Face, Index, Tiles

_PAD = theme.M
_MARK = 10
_COLUMNS = 3
_TILE_GAP = 2
_PICTURE_STEP = 32
"""Photos are requested in steps of this many pixels, so that resizing seldom fetches."""
_BAR = 4


class ModelCards(Tiles):
    """Paints the entries of a CardsModel."""

    min_width = 176

    def __init__(self, pictures: Pictures, parent: QObject) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._title = Face(theme.font(theme.Size.TITLE, strong=True))
        self._strong = Face(theme.font(strong=True))
        self._body = Face(theme.font(numbers=True))
        self._small = Face(theme.font(theme.Size.SMALL, numbers=True))

    def picture_height(self, width: float) -> int:
        return round(width * 0.62)

    def text_height(self) -> int:
        lines = self._strong.height + 2 * self._body.height + 2 * self._small.height
        return lines + 4 * theme.XS + 2 * _PAD

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        self._paint_facts(painter, box.adjusted(_PAD, _PAD, -_PAD, -_PAD), index.data(ENTRY))

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        entry: ModelEntry = index.data(ENTRY)
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
        painter.setFont(self._title.font)
        count = entry.model.class_count if entry.model is not None else 0
        block = self._title.height + (self._small.height if count else 0)
        top = frame.center().y() - block / 2
        line = QRectF(frame.x(), top, frame.width(), self._title.height)
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, initials(entry.name))
        if count:
            painter.setFont(self._small.font)
            below = QRectF(frame.x(), line.bottom(), frame.width(), self._small.height)
            words = plural(count, "class", "classes")
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, words)

    def _paint_facts(self, painter: QPainter, box: QRectF, entry: ModelEntry) -> None:
        top = box.y()

        def line(face: Face, text: str, token: str, indent: float = 0) -> None:
            nonlocal top
            painter.setPen(theme.color(token))
            space = QRectF(box.x() + indent, top, box.width() - indent, face.height)
            face.draw(painter, space, text)
            top += face.height + theme.XS

        line(self._strong, entry.name, "text")
        mark = theme.state_mark(wording.state(entry))
        spot = QRectF(box.x(), top + (self._small.height - _MARK) / 2, _MARK, _MARK)
        theme.paint_mark(painter, spot, mark)
        line(self._small, wording.state_words(entry), mark.token, _MARK + theme.XS + 2)
        if entry.run is not None:
            self._paint_progress(painter, QRectF(box.x(), top, box.width(), _BAR), entry)
            top += _BAR + theme.S
            line(self._small, translated(entry.run.step), "muted")
            return
        model = entry.model
        if model is None:
            rest = QRectF(box.x(), top, box.width(), box.bottom() - top)
            painter.setPen(theme.color("muted"))
            words = several_lines(wording.description(entry))
            painter.drawText(rest, Qt.TextFlag.TextWordWrap, words)
            return
        line(self._body, wording.contents(model), "text" if model.class_count else "muted")
        measured = accuracy(model.accuracy, model.accuracy_error)
        if measured:
            width = self._body.metrics.horizontalAdvance(measured) + theme.M
            bar = QRectF(box.x() + width, top, box.width() - width, self._body.height)
            paint_accuracy(painter, bar, model.accuracy, model.accuracy_error)
        line(self._body, measured or tr("Accuracy not measured"), "text" if measured else "muted")
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
