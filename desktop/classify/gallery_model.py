"""The photos of the gallery as Qt's views see them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from desktop.classify.gallery import Gallery
from desktop.classify.photo import Photo, PhotoState
from desktop.widgets.plain_text import tooltip

PHOTO = Qt.ItemDataRole.UserRole + 1
STATE = Qt.ItemDataRole.UserRole + 2

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class GalleryModel(QAbstractListModel):
    """A thin adapter over a Gallery, which it listens to."""

    def __init__(self, gallery: Gallery, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.gallery = gallery
        # A list of its own, because Qt may still read rows in `beginRemoveRows`.
        self._photos = list(gallery.photos)
        gallery.subscribe(self)

    def photos_added(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        self.beginInsertRows(_ROOT, row, row + len(photos) - 1)
        self._photos[row:row] = photos
        self.endInsertRows()

    def photo_changed(self, row: int, photo: Photo) -> None:
        self._photos[row] = photo
        self.dataChanged.emit(self.index(row), self.index(row))

    def photos_removed(self, row: int, photos: Sequence[Photo]) -> None:
        self.beginRemoveRows(_ROOT, row, row + len(photos) - 1)
        del self._photos[row : row + len(photos)]
        self.endRemoveRows()

    def states_changed(self) -> None:
        if self._photos:
            self.dataChanged.emit(self.index(0), self.index(len(self._photos) - 1))

    def photo_at(self, row: int) -> Photo:
        return self._photos[row]

    def index_of(self, key: str) -> QModelIndex:
        """Return the index of a photo; an invalid one if it is not in the gallery."""
        row = self.gallery.row(key)
        return QModelIndex() if row is None else self.index(row)

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._photos)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        photo = self._photos[index.row()]
        if role == PHOTO:
            return photo
        if role == STATE:
            return self.gallery.state(photo)
        if role == Qt.ItemDataRole.DisplayRole:
            return photo.name
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return photo.describe(self.gallery.unsure_below)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(photo.describe(self.gallery.unsure_below))
        return None


class GalleryFilter(QSortFilterProxyModel):
    """The photos that match the search and are in the selected state."""

    def __init__(self, model: GalleryModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._text = ""
        self._state: PhotoState | None = None
        self.setSourceModel(model)
        self.setDynamicSortFilter(True)

    @property
    def photos(self) -> list[Photo]:
        """The photos that pass, in their order."""
        return [self.index(row, 0).data(PHOTO) for row in range(self.rowCount())]

    def set_text(self, text: str) -> None:
        """Show only photos whose name, best class or label has `text` in it."""
        self._text = text.strip().lower()
        self.invalidate()

    def set_state(self, state: PhotoState | None) -> None:
        """Show only photos in `state`; None shows all."""
        self._state = state
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        photo = self._model.photo_at(source_row)
        if self._state is not None and self._model.gallery.state(photo) is not self._state:
            return False
        return not self._text or photo.matches(self._text)
