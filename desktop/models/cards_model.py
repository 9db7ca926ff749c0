"""The models as Qt's views see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt

from desktop.models import wording
from desktop.models.entries import ModelEntry
from desktop.widgets.plain_text import tooltip

ENTRY = Qt.ItemDataRole.UserRole + 1
"""ModelEntry"""

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class CardsModel(QAbstractListModel):
    """A thin adapter over the entries; a card that stays keeps its selection and focus."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[ModelEntry] = []

    @property
    def entries(self) -> Sequence[ModelEntry]:
        return self._entries

    def show_entries(self, entries: Sequence[ModelEntry]) -> None:
        """Show `entries` in their order; rows that stay are only moved and repainted."""
        names = {each.name for each in entries}
        for row in range(len(self._entries) - 1, -1, -1):
            if self._entries[row].name not in names:
                self.beginRemoveRows(_ROOT, row, row)
                del self._entries[row]
                self.endRemoveRows()
        for row, entry in enumerate(entries):
            found = self.row(entry.name)
            if found is None:
                self.beginInsertRows(_ROOT, row, row)
                self._entries.insert(row, entry)
                self.endInsertRows()
                continue
            if found != row:
                self.beginMoveRows(_ROOT, found, found, _ROOT, row)
                self._entries.insert(row, self._entries.pop(found))
                self.endMoveRows()
            if self._entries[row] != entry:
                self._entries[row] = entry
                self.dataChanged.emit(self.index(row), self.index(row))

    def row(self, name: str) -> int | None:
        rows = (row for row, each in enumerate(self._entries) if each.name == name)
        return next(rows, None)

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        entry = self._entries[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return entry.name
            case Qt.ItemDataRole.AccessibleTextRole:
                return wording.described(entry)
            case Qt.ItemDataRole.ToolTipRole:
                return tooltip(wording.described(entry))
            case _ if role == ENTRY:
                return entry
        return None
