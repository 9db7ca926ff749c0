"""The gallery: tiles that fill the width."""

from __future__ import annotations

from PySide6.QtCore import QItemSelection, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView

from desktop.classify.gallery_model import PHOTO, GalleryFilter, GalleryModel
from desktop.classify.photo import Photo
from desktop.classify.photo_tiles import PhotoTiles
from desktop.classify.score_chart import ROWS
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.widgets.tile_grid import TileGrid


class GalleryView(TileGrid):
    """Shows the photos of a model as tiles, and which of them are selected."""

    selection_changed = Signal()
    remove_requested = Signal()
    """Delete was pressed."""
    label_by_rank_requested = Signal(int)
    """A number key was pressed: 1 for the first class of the chart."""
    none_requested = Signal()
    """0 was pressed: the selected photos show none of the classes."""

    def __init__(self, model: GalleryModel, thumbnails: Thumbnails) -> None:
        super().__init__("Photos")
        self.photo_model = model
        self.filter = GalleryFilter(model, self)
        self.setModel(self.filter)
        self.set_tiles(PhotoTiles(thumbnails, self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
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
        elif digit == "0" and held == modifiers.NoModifier:
            self.none_requested.emit()
        else:
            super().keyPressEvent(event)

    def _repaint_tile(self, key: ThumbnailKey) -> None:
        index = self.filter.mapFromSource(self.photo_model.index_of(str(key.path)))
        if index.isValid():
            self.update(index)
