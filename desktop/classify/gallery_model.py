"""The photos of the gallery as Qt's views see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from desktop import formats
from desktop.classify.gallery import Gallery
from desktop.classify.likeness.stacks import Stacks
from desktop.classify.shown_photos import ShownPhotos
from desktop.translation import tr
from desktop.widgets.plain_text import tooltip

PHOTO = Qt.ItemDataRole.UserRole + 1
STATE = Qt.ItemDataRole.UserRole + 2
STACK = Qt.ItemDataRole.UserRole + 3
"""The role of a ShownStack, or of None for a photo that is in no stack."""

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class GalleryModel(QAbstractListModel):
    """A thin adapter over ShownPhotos, whose rows are its rows."""

    changed = Signal()
    """Anything in the gallery, also of photos that are not shown."""

    def __init__(
        self,
        gallery: Gallery,
        parent: QObject | None = None,
        taken: Mapping[str, datetime | None] | None = None,
    ) -> None:
        super().__init__(parent)
        self.gallery = gallery
        self.stacks = Stacks()
        self.shown = ShownPhotos(gallery, self, taken, self.stacks)

    def begin_insert(self, first: int, last: int) -> None:
        self.beginInsertRows(_ROOT, first, last)

    def end_insert(self) -> None:
        self.endInsertRows()

    def begin_remove(self, first: int, last: int) -> None:
        self.beginRemoveRows(_ROOT, first, last)

    def end_remove(self) -> None:
        self.endRemoveRows()

    def begin_move(self, row: int, target: int) -> None:
        self.beginMoveRows(_ROOT, row, row, _ROOT, target)

    def end_move(self) -> None:
        self.endMoveRows()

    def begin_reset(self) -> None:
        self.beginResetModel()

    def end_reset(self) -> None:
        self.endResetModel()

    def rows_changed(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first), self.index(last))

    def gallery_changed(self) -> None:
        self.changed.emit()

    def index_of(self, key: str) -> QModelIndex:
        """Return the index of a photo; an invalid one if it is not shown."""
        row = self.shown.row(key)
        return QModelIndex() if row is None else self.index(row)

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.shown)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self.shown):
            return None
        photo = self.shown.photo_at(index.row())
        if role == PHOTO:
            return photo
        if role == STATE:
            return self.gallery.state(photo)
        if role == Qt.ItemDataRole.DisplayRole:
            return photo.name
        if role == STACK:
            return self.shown.stack_at(index.row())
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._describe(index.row())
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(self._describe(index.row()))
        return None

    def _describe(self, row: int) -> str:
        words = self.shown.photo_at(row).describe(self.gallery.unsure_below)
        stack = self.shown.stack_at(row)
        if stack is None:
            return words
        count = formats.count(stack.photos)
        if stack.is_open:
            return tr(
                "{photo}, in a stack of {count} near-duplicates, open", photo=words, count=count
            )
        return tr(
            "{photo}, in a stack of {count} near-duplicates, closed", photo=words, count=count
        )
