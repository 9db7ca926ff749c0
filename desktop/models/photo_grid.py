"""Photos of a model with two lines of text each: mistakes, and answers that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QFontMetrics, QPainter, QPainterPath, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from desktop import theme
from desktop.models.pictures import Pictures
from desktop.widgets.picture import center_crop

_TILE = Qt.ItemDataRole.UserRole + 1
_MIN_WIDTH = 144
_GAP = theme.XS
_PAD = theme.S
_STEP = 64
_ROOT = QModelIndex()


@dataclass(frozen=True)
class TileLine:
    """A line of text under a photo."""

    text: str
    token: str = "text"
    """Its colour."""
    mark: str = ""
    """The icon before it: `check`, `close` or none."""


@dataclass(frozen=True)
class PhotoTile:
    image: str
    """SHA-256 of the photo."""
    lines: tuple[TileLine, ...]

    @property
    def text(self) -> str:
        return ", ".join(line.text for line in self.lines)


class PhotoGrid(QListView):
    """Tiles that fill the width; as high as its rows, so that the page around it scrolls."""

    def __init__(self, pictures: Pictures, name: str, *, rows: int = 0) -> None:
        """`rows` limits the height to that many rows; 0 shows as many as fit its parent."""
        super().__init__()
        self._tiles = _TilesModel()
        self._delegate = _TileDelegate(pictures, self)
        self._rows = rows
        self.setModel(self._tiles)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName(name)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        pictures.ready.connect(lambda _: self.viewport().update())

    @property
    def tiles(self) -> Sequence[PhotoTile]:
        return self._tiles.tiles

    def show_tiles(self, tiles: Sequence[PhotoTile]) -> None:
        self._tiles.show_tiles(tiles)
        self._fit()
        self.scrollToTop()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()
        super().resizeEvent(event)

    def _fit(self) -> None:
        lines = max((len(tile.lines) for tile in self._tiles.tiles), default=2)
        width = self.width() - self.verticalScrollBar().sizeHint().width() - 1
        cell = self._delegate.fit(width, lines, self.devicePixelRatioF())
        if cell != self.gridSize():
            self.setGridSize(cell)
        if self._rows:
            columns = max(1, width // cell.width())
            rows = min(self._rows, -(-len(self._tiles.tiles) // columns))
            self.setFixedHeight(rows * cell.height() + 2)


class _TilesModel(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.tiles: Sequence[PhotoTile] = ()

    def show_tiles(self, tiles: Sequence[PhotoTile]) -> None:
        self.beginResetModel()
        self.tiles = tuple(tiles)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.tiles)

    def data(
        self,
        index: QModelIndex | QPersistentModelIndex,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        tile = self.tiles[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return tile.text
        return tile if role == _TILE else None


class _TileDelegate(QStyledItemDelegate):
    def __init__(self, pictures: Pictures, parent: QObject) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._font = theme.font(theme.Size.SMALL, numbers=True)
        self._metrics = QFontMetrics(self._font)
        self._cell = QSize(_MIN_WIDTH, _MIN_WIDTH)
        self._ratio = 1.0

    def fit(self, width: int, lines: int, ratio: float) -> QSize:
        cell = max(_MIN_WIDTH, width // max(1, width // _MIN_WIDTH))
        text = lines * (self._metrics.height() + 2)
        height = self._picture_height(cell) + text + 2 * _PAD + 2 * _GAP
        self._cell, self._ratio = QSize(cell, height), ratio
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
        tile: PhotoTile = index.data(_TILE)
        marked = bool(
            option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_HasFocus)
        )
        box = QRectF(option.rect).adjusted(_GAP, _GAP, -_GAP, -_GAP)
        outline = QPainterPath()
        outline.addRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), theme.CORNER, theme.CORNER)
        painter.save()
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        painter.fillPath(outline, theme.color("raised"))
        painter.setClipPath(outline)
        frame = QRectF(box.x(), box.y(), box.width(), self._picture_height(self._cell.width()))
        side = -(-int(frame.width() * self._ratio) // _STEP) * _STEP
        picture = self._pictures.get(tile.image, side)
        if picture is None or picture.isNull():
            painter.fillRect(frame, theme.color("sunken"))
            if picture is not None:
                theme.paint_icon(painter, frame.center(), "broken", "muted", 24, self._ratio)
        else:
            painter.drawPixmap(frame, picture, center_crop(picture, frame))
        painter.setClipping(False)
        painter.setPen(QPen(theme.color("accent" if marked else "line"), 2 if marked else 1))
        painter.drawPath(outline)
        painter.setFont(self._font)
        top = frame.bottom() + _PAD
        for line in tile.lines:
            self._paint_line(painter, QRectF(box.x() + _PAD, top, box.width() - 2 * _PAD, 0), line)
            top += self._metrics.height() + 2
        painter.restore()

    def _paint_line(self, painter: QPainter, space: QRectF, line: TileLine) -> None:
        height = self._metrics.height()
        if line.mark:
            center = QRectF(space.x(), space.y(), 12, height).center()
            theme.paint_icon(painter, center, line.mark, line.token, 12, self._ratio)
            space.setLeft(space.left() + 12 + theme.XS)
        space.setHeight(height)
        painter.setPen(theme.color(line.token))
        text = self._metrics.elidedText(line.text, Qt.TextElideMode.ElideRight, int(space.width()))
        painter.drawText(space, Qt.AlignmentFlag.AlignLeft, text)

    def _picture_height(self, cell: int) -> int:
        return round((cell - 2 * _GAP) * 3 / 4)
