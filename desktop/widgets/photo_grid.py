"""Photos of a model with two lines of text each: mistakes, and answers that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QAbstractItemView

from desktop import theme
from desktop.widgets.picture import center_crop
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_text import tooltip
from desktop.widgets.tile_grid import Face, Index, TileGrid, Tiles

_TILE = Qt.ItemDataRole.UserRole + 1
_PAD = theme.S
_LINE_GAP = 2
_MARK = 12
_STEP = 64
"""Photos are requested in steps of this many pixels, so that resizing seldom fetches."""
_ROOT = QModelIndex()


@dataclass(frozen=True)
class TileLine:
    """A line of text under a photo."""

    text: str
    token: str = "text"
    """Its colour."""
    mark: str = ""
    """The icon before it: `check`, `close` or none."""
    end: str = ""
    """What stays behind the text where that is too long and is shortened."""

    @property
    def words(self) -> str:
        return f"{self.text} {self.end}".strip()


@dataclass(frozen=True)
class PhotoTile:
    image: str | Path
    """SHA-256 of a stored photo, or the file of another."""
    lines: tuple[TileLine, ...]

    @property
    def text(self) -> str:
        return ", ".join(line.words for line in self.lines)


class PhotoGrid(TileGrid):
    """Tiles that fill the width, with a limit to the rows where the page around it scrolls."""

    def __init__(
        self, pictures: Pictures, name: str, *, rows: int = 0, tile_width: int = 144
    ) -> None:
        """`rows` limits the height to that many rows; 0 takes the height that there is.
        `tile_width` is the least that a tile has, in pixels."""
        super().__init__(name)
        self._photos = _PhotosModel()
        self._photo_tiles = _PhotoTiles(pictures, self)
        self._photo_tiles.min_width = tile_width
        self._rows = rows
        self.setModel(self._photos)
        self.set_tiles(self._photo_tiles)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        pictures.ready.connect(lambda _: self.viewport().update())

    @property
    def tiles(self) -> Sequence[PhotoTile]:
        return self._photos.tiles

    def show_tiles(self, tiles: Sequence[PhotoTile]) -> None:
        self._photos.show_tiles(tiles)
        self._photo_tiles.lines = max((len(tile.lines) for tile in tiles), default=2)
        self.fit()
        self.scrollToTop()

    def fit(self) -> int:
        columns = super().fit()
        if self._rows:
            rows = min(self._rows, -(-len(self.tiles) // columns))
            self.setFixedHeight(rows * self._photo_tiles.cell.height() + 2)
        return columns


class _PhotosModel(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.tiles: Sequence[PhotoTile] = ()

    def show_tiles(self, tiles: Sequence[PhotoTile]) -> None:
        self.beginResetModel()
        self.tiles = tuple(tiles)
        self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.tiles)

    def data(
        self,
        index: Index,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        tile = self.tiles[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return tile.text
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(tile.text)
        return tile if role == _TILE else None


class _PhotoTiles(Tiles):
    def __init__(self, pictures: Pictures, parent: QObject) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._small = Face(theme.font(theme.Size.SMALL, numbers=True))
        self.lines = 2
        """Of text in the tile with the most."""

    def text_height(self) -> int:
        return self.lines * (self._small.height + _LINE_GAP) + 2 * _PAD

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        side = -(-int(frame.width() * self.ratio) // _STEP) * _STEP
        picture = self._pictures.get(index.data(_TILE).image, side)
        if picture is not None and not picture.isNull():
            painter.drawPixmap(frame, picture, center_crop(picture, frame))
            return
        painter.fillRect(frame, theme.color("sunken"))
        if picture is not None:
            theme.paint_icon(painter, frame.center(), "broken", "muted", 24, self.ratio)

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        tile: PhotoTile = index.data(_TILE)
        space = box.adjusted(_PAD, _PAD, -_PAD, 0)
        space.setHeight(self._small.height)
        for line in tile.lines:
            self._paint_line(painter, QRectF(space), line)
            space.translate(0, self._small.height + _LINE_GAP)

    def _paint_line(self, painter: QPainter, space: QRectF, line: TileLine) -> None:
        if line.mark:
            center = QRectF(space.x(), space.y(), _MARK, space.height()).center()
            theme.paint_icon(painter, center, line.mark, line.token, _MARK, self.ratio)
            space.setLeft(space.left() + _MARK + theme.XS)
        painter.setPen(theme.color(line.token))
        if line.end:
            end = self._small.metrics.horizontalAdvance(f" {line.end}")
            name = self._small.metrics.horizontalAdvance(line.text)
            behind = QRectF(space)
            behind.setLeft(space.left() + min(name, space.width() - end))
            self._small.draw(painter, behind, f" {line.end}")
            space.setWidth(space.width() - end)
        self._small.draw(painter, space, line.text)
