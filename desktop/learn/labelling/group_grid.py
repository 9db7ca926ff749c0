"""The photos of a group, of which any can be taken out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import QAbstractItemView

from desktop import theme
from desktop.shortcuts import Shortcut
from desktop.translation import tr
from desktop.widgets.picture import center_crop
from desktop.widgets.pictures import Pictures
from desktop.widgets.tile_grid import Index, TileGrid, Tiles

_IMAGE = Qt.ItemDataRole.UserRole + 1
_EXCLUDED = Qt.ItemDataRole.UserRole + 2
_STEP = 64
"""Photos are fetched in steps of this many pixels, so that resizing seldom fetches."""
_MARK = 28
_MIN_SIDE, _MAX_SIDE = 116, 280
"""Pixels of a tile: as large as lets all photos of the group be seen at once."""
_ROOT = QModelIndex()
_MOVES = (
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
)


class GroupGrid(TileGrid):
    """A click, or Space, takes a photo out of the group or puts it back.

    The arrow keys move; every other key belongs to the view around this.
    """

    toggled = Signal(str)
    """SHA-256 of the photo."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(tr("Photos that look alike"))
        self._photos = _GroupModel()
        self.setModel(self._photos)
        self._tiles_of_group = _GroupTiles(pictures, self)
        self.set_tiles(self._tiles_of_group)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.clicked.connect(lambda index: self.toggled.emit(index.data(_IMAGE)))
        pictures.ready.connect(lambda _: self.viewport().update())

    def show_group(self, images: Sequence[str], excluded: Collection[str]) -> None:
        """Show other photos, from the top, or the same with others taken out."""
        if self._photos.show_group(images, excluded):
            self.fit()
            self.scrollToTop()
            self.setCurrentIndex(self._photos.index(0))

    def fit(self) -> int:
        width = self.width() - self.verticalScrollBar().sizeHint().width() - 1
        self._tiles_of_group.min_width = tile_side(self._photos.rowCount(), width, self.height())
        return super().fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if Shortcut.TOGGLE.matches(event):
            if self.currentIndex().isValid() and not event.isAutoRepeat():
                self.toggled.emit(self.currentIndex().data(_IMAGE))
        elif event.key() in _MOVES and not event.modifiers() & Qt.KeyboardModifier.AltModifier:
            super().keyPressEvent(event)
        else:
            event.ignore()


def tile_side(number: int, width: int, height: int) -> int:
    """Return the pixels of a tile's side with which `number` of them fill `width` x `height`."""
    max_columns = max(1, width // _MIN_SIDE)
    min_columns = min(max_columns, -(-width // _MAX_SIDE))
    for columns in range(min_columns, max_columns):
        side = width // columns
        if -(-number // columns) * side <= height:
            return side
    return max(_MIN_SIDE, width // max_columns)


class _GroupModel(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self._images: Sequence[str] = ()
        self._excluded: Collection[str] = ()

    def show_group(self, images: Sequence[str], excluded: Collection[str]) -> bool:
        """Returns whether they are other photos than before."""
        self._excluded = frozenset(excluded)
        if tuple(images) == self._images:
            if images:
                self.dataChanged.emit(self.index(0), self.index(len(images) - 1))
            return False
        self.beginResetModel()
        self._images = tuple(images)
        self.endResetModel()
        return True

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._images)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        image = self._images[index.row()]
        excluded = image in self._excluded
        match role:
            case Qt.ItemDataRole.AccessibleTextRole:
                number = index.row() + 1
                if excluded:
                    return tr("Photo {number}, taken out", number=number)
                return tr("Photo {number}", number=number)
            case Qt.ItemDataRole.ToolTipRole:
                return (
                    tr("Put it back (Space)")
                    if excluded
                    else tr("Take it out of the group (Space)")
                )
            case value if value == _IMAGE:
                return image
            case value if value == _EXCLUDED:
                return excluded
            case _:
                return None


class _GroupTiles(Tiles):
    def __init__(self, pictures: Pictures, parent: QObject) -> None:
        super().__init__(parent)
        self._pictures = pictures

    def text_height(self) -> int:
        return 0

    def picture_height(self, width: float) -> int:
        return round(width)

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        side = -(-int(frame.width() * self.ratio) // _STEP) * _STEP
        picture = self._pictures.get(index.data(_IMAGE), side)
        painter.fillRect(frame, theme.color("sunken"))
        excluded = index.data(_EXCLUDED)
        if picture is not None and not picture.isNull():
            painter.setOpacity(0.25 if excluded else 1.0)
            painter.drawPixmap(frame, picture, center_crop(picture, frame))
            painter.setOpacity(1.0)
        elif picture is not None:
            theme.paint_icon(painter, frame.center(), "broken", "muted", 24, self.ratio)
        if excluded:
            # Not dimmed alone: a photo may be pale itself.
            theme.paint_icon(painter, frame.center(), "close", "failed", _MARK, self.ratio)

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        pass
