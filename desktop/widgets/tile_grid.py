"""A grid of tiles that fills the width: photos, models."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPainterPath, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from desktop import theme
from desktop.widgets.plain_text import one_line

GAP = theme.XS
"""Between a tile and the edge of its cell."""

Index = QModelIndex | QPersistentModelIndex


class Tiles(QStyledItemDelegate):
    """Paints tiles of one size: a frame, a picture at its top, and text below that.

    Subclasses say what is in them.
    """

    min_width = 152
    """Of a cell, in pixels; its real width is what fills the row."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.cell = QSize(self.min_width, self.min_width)
        self.ratio = 1.0
        """Device pixels in a pixel."""

    def picture_height(self, width: float) -> int:
        """Return how high the picture of a tile is that is `width` wide."""
        return round(width * 3 / 4)

    def text_height(self) -> int:
        """Return what a tile needs below its picture."""
        raise NotImplementedError

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        """Paint the picture; what is outside the rounded corners is cut off."""
        raise NotImplementedError

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        """Paint into all that is below the picture."""
        raise NotImplementedError

    def fit(self, width: int, ratio: float) -> QSize:
        """Choose the cell size so that cells fill `width`; returns it."""
        cell = max(self.min_width, width // max(1, width // self.min_width))
        height = self.picture_height(cell - 2 * GAP) + self.text_height() + 2 * GAP
        self.cell, self.ratio = QSize(cell, height), ratio
        return self.cell

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return self.cell

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        marked = selected or bool(option.state & QStyle.StateFlag.State_HasFocus)
        tile = QRectF(option.rect).adjusted(GAP, GAP, -GAP, -GAP)
        picture = QRectF(tile.x(), tile.y(), tile.width(), self.picture_height(tile.width()))
        outline = QPainterPath()
        outline.addRoundedRect(tile.adjusted(0.5, 0.5, -0.5, -0.5), theme.CORNER, theme.CORNER)
        fill = "accent_soft" if selected else "hover" if hovered else "raised"
        painter.save()
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        painter.fillPath(outline, theme.color(fill))
        painter.setClipPath(outline)
        self.paint_picture(painter, picture, index)
        painter.setClipping(False)
        painter.setPen(QPen(theme.color("accent" if marked else "line"), 2 if marked else 1))
        painter.drawPath(outline)
        below = tile.adjusted(0, picture.height(), 0, 0)
        self.paint_text(painter, below, index)
        painter.restore()


class TileGrid(QListView):
    """Shows the tiles of a model, as many in a row as fit."""

    def __init__(self, name: str) -> None:
        """`name` is the accessible name; `set_tiles` comes next."""
        super().__init__()
        self._tiles: Tiles | None = None
        self.setAccessibleName(name)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.verticalScrollBar().setSingleStep(24)

    def set_tiles(self, tiles: Tiles) -> None:
        """Paint the items as `tiles` does."""
        self._tiles = tiles
        self.setItemDelegate(tiles)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.fit()
        super().resizeEvent(event)

    def fit(self) -> int:
        """Choose the size of the cells for the width of now; returns how many are in a row."""
        width = self.width() - self.verticalScrollBar().sizeHint().width() - 1
        if self._tiles is None:
            return 1
        cell = self._tiles.fit(width, self.devicePixelRatioF())
        if cell != self.gridSize():
            self.setGridSize(cell)
        return max(1, width // cell.width())


class Face:
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
        """Draw one line, shortened to what fits."""
        painter.setFont(self.font)
        shown = self.metrics.elidedText(one_line(text), mode, int(space.width()))
        painter.drawText(space, Qt.AlignmentFlag.AlignLeft, shown)
