"""The photos as Qt's views see them; a thin adapter over plain objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from desktop.classify.photo import Photo, PhotoState

PHOTO = Qt.ItemDataRole.UserRole + 1
STATE = Qt.ItemDataRole.UserRole + 2

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class GalleryModel(QAbstractListModel):
    """Every photo of the gallery, newest first."""

    def __init__(self, unsure_below: float, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._photos: list[Photo] = []
        self._rows: dict[str, int] = {}
        self._unsure_below = unsure_below

    @property
    def photos(self) -> Sequence[Photo]:
        return self._photos

    @property
    def unsure_below(self) -> float:
        return self._unsure_below

    def photo(self, key: str) -> Photo | None:
        """Return the photo with `key`; None where it is not in the gallery."""
        row = self._rows.get(key)
        return None if row is None else self._photos[row]

    def add(self, photos: Sequence[Photo]) -> None:
        """Put new photos before the others, in their order."""
        if not photos:
            return
        self.beginInsertRows(QModelIndex(), 0, len(photos) - 1)
        self._photos[:0] = photos
        self._number()
        self.endInsertRows()

    def append(self, photos: Sequence[Photo]) -> None:
        """Put photos of earlier days after the others."""
        if not photos:
            return
        first = len(self._photos)
        self.beginInsertRows(QModelIndex(), first, first + len(photos) - 1)
        self._photos += photos
        self._number()
        self.endInsertRows()

    def update(self, photo: Photo) -> None:
        """Show what is known about a photo now; one that was removed is ignored."""
        row = self._rows.get(photo.key)
        if row is None:
            return
        self._photos[row] = photo
        index = self.index(row)
        self.dataChanged.emit(index, index)

    def remove(self, keys: Iterable[str]) -> list[Photo]:
        """Take photos out of the gallery and return them."""
        gone: list[Photo] = []
        rows = sorted((self._rows[key] for key in keys if key in self._rows), reverse=True)
        while rows:
            last = first = rows.pop(0)
            while rows and rows[0] == first - 1:
                first = rows.pop(0)
            self.beginRemoveRows(QModelIndex(), first, last)
            gone += self._photos[first : last + 1]
            del self._photos[first : last + 1]
            self.endRemoveRows()
        self._number()
        return gone

    def set_unsure_below(self, share: float) -> None:
        self._unsure_below = share
        if self._photos:
            self.dataChanged.emit(self.index(0), self.index(len(self._photos) - 1))

    def index_of(self, key: str) -> QModelIndex:
        """Return the index of a photo; an invalid one where it is not in the gallery."""
        row = self._rows.get(key)
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
            return photo.state(self._unsure_below)
        if role == Qt.ItemDataRole.DisplayRole:
            return photo.name
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return photo.describe(self._unsure_below)
        return None

    def _number(self) -> None:
        self._rows = {photo.key: row for row, photo in enumerate(self._photos)}


class GalleryFilter(QSortFilterProxyModel):
    """The photos that match the search and are in the chosen state."""

    def __init__(self, model: GalleryModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._photos = model
        self._text = ""
        self._state: PhotoState | None = None
        self.setSourceModel(model)
        self.setDynamicSortFilter(True)

    def set_text(self, text: str) -> None:
        """Show only photos whose name, best class or label has `text` in it."""
        self._text = text.strip().lower()
        self.invalidate()

    def set_state(self, state: PhotoState | None) -> None:
        """Show only photos in `state`; None shows all."""
        self._state = state
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        photo = self._photos.photos[source_row]
        if self._state is not None and photo.state(self._photos.unsure_below) is not self._state:
            return False
        return not self._text or photo.matches(self._text)
