"""The gallery: tiles that fill the width."""

from __future__ import annotations

from PySide6.QtCore import QItemSelection, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView

from desktop.classify.gallery_model import PHOTO, GalleryFilter, GalleryModel
from desktop.classify.photo import Photo
from desktop.classify.score_chart import ROWS
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.classify.tile_delegate import TileDelegate


class GalleryView(QListView):
    """Shows the photos of a model as tiles, and which of them are selected."""

    selection_changed = Signal()
    remove_requested = Signal()
    """Delete was pressed."""
    label_by_rank_requested = Signal(int)
    """A number key was pressed: 1 for the first class of the chart."""

    def __init__(self, model: GalleryModel, thumbnails: Thumbnails) -> None:
        super().__init__()
        self.photo_model = model
        self.filter = GalleryFilter(model, self)
        self._tiles = TileDelegate(thumbnails, self)
        self.setModel(self.filter)
        self.setItemDelegate(self._tiles)
        self.setAccessibleName("Photos")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.verticalScrollBar().setSingleStep(24)
        thumbnails.ready.connect(self._repaint_tile)

    @property
    def selected_photos(self) -> list[Photo]:
        """The selected photos, from the top."""
        indexes = sorted(self.selectionModel().selectedIndexes(), key=lambda index: index.row())
        return [index.data(PHOTO) for index in indexes]

    def select(self, key: str) -> None:
        """Select one photo, and scroll to it."""
        index = self.filter.mapFromSource(self.photo_model.index_of(key))
        if index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        super().selectionChanged(selected, deselected)
        self.selection_changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # The text and not the key, because some keyboards have digits above Shift.
        digit, modifiers = event.text(), Qt.KeyboardModifier
        held = event.modifiers() & ~(modifiers.ShiftModifier | modifiers.KeypadModifier)
        if event.key() == Qt.Key.Key_Delete:
            self.remove_requested.emit()
        elif digit and digit in "123456789"[:ROWS] and held == modifiers.NoModifier:
            self.label_by_rank_requested.emit(int(digit))
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        width = self.width() - self.verticalScrollBar().sizeHint().width() - 1
        cell = self._tiles.fit(width, self.devicePixelRatioF())
        if cell != self.gridSize():
            self.setGridSize(QSize(cell))
        super().resizeEvent(event)

    def _repaint_tile(self, key: ThumbnailKey) -> None:
        index = self.filter.mapFromSource(self.photo_model.index_of(str(key.path)))
        if index.isValid():
            self.update(index)
