"""The gallery: tiles that fill the width, or rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPointF,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView

from desktop.classify.gallery import runs
from desktop.classify.gallery_model import STACK, GalleryModel
from desktop.classify.gallery_query import Facet
from desktop.classify.likeness.stack_badge import badge_rect
from desktop.classify.photo import Photo
from desktop.classify.photo_rows import PhotoRows
from desktop.classify.photo_tiles import PhotoTiles
from desktop.classify.shown_photos import ShownPhotos
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.shortcuts import Shortcut
from desktop.translation import tr
from desktop.widgets.tile_grid import TileGrid


class GalleryLayout(StrEnum):
    """How the gallery shows its photos."""

    GRID = "Grid"
    LIST = "List"


LAYOUT_WORDS: Mapping[GalleryLayout, str] = {
    GalleryLayout.GRID: tr("Grid"),
    GalleryLayout.LIST: tr("List"),
}
"""What each layout is called on screen."""


class GalleryView(TileGrid):
    """Shows the photos of a model as tiles or rows, and which of them are selected."""

    selection_changed = Signal()
    remove_requested = Signal()
    """Delete was pressed."""
    label_by_rank_requested = Signal(int)
    """A number key was pressed: 1 for the first class of the chart."""
    none_requested = Signal()
    """0 was pressed: the selected photos show none of the classes."""

    def __init__(self, model: GalleryModel, thumbnails: Thumbnails) -> None:
        super().__init__(tr("Photos"))
        self.photo_model = model
        self._before_reset: tuple[set[str], str] = (set(), "")
        """The keys of the photos that were selected, and of the current one."""
        self._layouts: dict[GalleryLayout, PhotoTiles | PhotoRows] = {
            GalleryLayout.GRID: PhotoTiles(thumbnails, self),
            GalleryLayout.LIST: PhotoRows(thumbnails, self),
        }
        self._layout = GalleryLayout.GRID
        model.modelAboutToBeReset.connect(self._note_selection)
        self.setModel(model)
        model.modelReset.connect(self._restore_selection)
        self.set_tiles(self._layouts[GalleryLayout.GRID])
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        thumbnails.ready.connect(self._repaint_tile)

    @property
    def shown(self) -> ShownPhotos:
        """The photos that pass the query, in their order."""
        return self.photo_model.shown

    @property
    def selected_rows(self) -> list[int]:
        """The rows of the selected photos, from the top."""
        ranges = self.selectionModel().selection().toList()
        return sorted(row for each in ranges for row in range(each.top(), each.bottom() + 1))

    @property
    def selected_photos(self) -> list[Photo]:
        """The selected photos, from the top."""
        return [self.shown.photo_at(row) for row in self.selected_rows]

    @property
    def first_selected_photo(self) -> Photo | None:
        """The selected photo that is nearest to the top; None if none is selected."""
        ranges = self.selectionModel().selection().toList()
        return self.shown.photo_at(min(each.top() for each in ranges)) if ranges else None

    def set_layout(self, layout: GalleryLayout) -> None:
        """Show the photos as `layout` says; the current one stays in sight."""
        self._layout = layout
        self.set_tiles(self._layouts[layout])
        self.fit()
        if self.currentIndex().isValid():
            self.scrollTo(self.currentIndex(), QAbstractItemView.ScrollHint.PositionAtCenter)

    def select(self, key: str) -> None:
        """Select one photo, and scroll to it."""
        index = self.photo_model.index_of(key)
        if index.isValid():
            # Not the view's own, which extends the selection while Shift or Ctrl is held.
            flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
            self.selectionModel().setCurrentIndex(index, flag)
            self.scrollTo(index)

    def select_all(self, keys: Iterable[str]) -> None:
        """Select these photos, as far as they are shown, and no others."""
        rows = sorted(row for key in keys if (row := self.shown.row(key)) is not None)
        self._select_rows(rows)
        if rows:
            self.scrollTo(self.photo_model.index(rows[0]))

    def select_keys(self, keys: Sequence[str]) -> None:
        """Select the photos with these keys, as far as they are shown; the first is current."""
        rows = [row for key in keys if (row := self.shown.row(key)) is not None]
        index = self.photo_model.index(rows[0]) if rows else QModelIndex()
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._select_rows(sorted(rows))

    def select_class_of_current(self) -> None:
        """Select all photos that are shown and have the best class of the current one."""
        row = self.currentIndex().row()
        if row >= 0:
            value = self.shown.value(row, Facet.CLASS)
            self._select_rows(self.shown.rows_with(Facet.CLASS, value))

    def toggle_stack(self, row: int | None = None) -> None:
        """Open the stack in `row`, or that of the current photo, and select all of it; or close
        it and select the photo that stands for it."""
        row = self.currentIndex().row() if row is None else row
        if not 0 <= row < len(self.shown) or not (rows := self.shown.toggle_stack(row)):
            return
        index = self.photo_model.index(rows[0])
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._select_rows(rows)

    def badge_rect(self, row: int) -> QRectF:
        """Return where the count of the stack in `row` is; empty if there is none."""
        index = self.photo_model.index(row)
        stack = index.data(STACK)
        if stack is None or not stack.is_cover:
            return QRectF()
        tiles = self._layouts[self._layout]
        picture = tiles.picture_rect(QRectF(self.visualRect(index)))
        return badge_rect(picture, stack, tiles.badge_face)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        position: QPointF = event.position()
        index = self.indexAt(position.toPoint())
        left = event.button() == Qt.MouseButton.LeftButton
        if left and index.isValid() and self.badge_rect(index.row()).contains(position):
            self.toggle_stack(index.row())
        else:
            super().mousePressEvent(event)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        super().selectionChanged(selected, deselected)
        self.selection_changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if Shortcut.REMOVE.matches(event):
            self.remove_requested.emit()
        elif Shortcut.LABEL_BY_RANK.matches(event):
            self.label_by_rank_requested.emit(int(event.text()))
        elif Shortcut.LABEL_NONE.matches(event):
            self.none_requested.emit()
        else:
            super().keyPressEvent(event)

    def _select_rows(self, rows: Sequence[int]) -> None:
        """Select `rows`, which rise, and no others; the current photo stays so."""
        selection = QItemSelection()
        for first, last in runs(rows):
            selection.select(self.photo_model.index(first), self.photo_model.index(last))
        flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
        self.selectionModel().select(selection, flag)

    def _note_selection(self) -> None:
        keys = {photo.key for photo in self.selected_photos}
        row = self.currentIndex().row()
        current = self.shown.photo_at(row).key if 0 <= row < len(self.shown) else ""
        self._before_reset = (keys, current)

    def _restore_selection(self) -> None:
        """Select what was selected and is still shown: a reset forgets it without a word."""
        keys, current = self._before_reset
        rows = sorted(row for key in keys if (row := self.shown.row(key)) is not None)
        index = self.photo_model.index_of(current)
        if index.isValid():
            flag = QItemSelectionModel.SelectionFlag.NoUpdate
            self.selectionModel().setCurrentIndex(index, flag)
        self._select_rows(rows)
        if index.isValid():
            self.scrollTo(index)
        else:
            self.scrollToTop()
        if keys and not rows:
            self.selection_changed.emit()

    def _repaint_tile(self, key: ThumbnailKey) -> None:
        index = self.photo_model.index_of(str(key.path))
        if index.isValid():
            self.update(index)
