"""Names with counts as bars; one can be chosen by a click or a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from desktop import theme
from desktop.formats import count, plural
from desktop.translation import tr
from desktop.widgets.plain_text import one_line, tooltip

_ROOT = QModelIndex()
_ROW = 36
_BAR = 4
_COUNT = Qt.ItemDataRole.UserRole + 1
_SHARE = Qt.ItemDataRole.UserRole + 2
_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)

Index = QModelIndex | QPersistentModelIndex


class CountBars(QListView):
    """A row a name: how many photos, and a bar as long as that beside the longest."""

    chosen = Signal(str)
    """A name was clicked, or Enter was pressed on it."""

    def __init__(self, name: str, max_rows: int) -> None:
        """It is as high as its rows, up to `max_rows`; it scrolls beyond that."""
        super().__init__()
        self._counts = _Counts()
        self._max_rows = max_rows
        self.setModel(self._counts)
        self.setItemDelegate(_CountRow(self))
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(lambda index: self.chosen.emit(self._counts.counts[index.row()][0]))
        self.show_counts(())

    def show_counts(self, counts: Sequence[tuple[str, int]]) -> None:
        """Show names with their counts, the highest first."""
        if tuple(counts) != self._counts.counts:
            self._counts.show_counts(tuple(counts))
            self._fit()

    def set_max_height(self, pixels: int, *, at_least: int) -> None:
        """Show as many rows as fit into so many pixels, and `at_least` so many."""
        self._max_rows = max(at_least, (pixels - 2) // _ROW)
        self._fit()

    def _fit(self) -> None:
        rows = min(self._max_rows, max(1, len(self._counts.counts)))
        self.setFixedHeight(_ROW * rows + 2)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _KEYS and self.currentIndex().isValid():
            self.chosen.emit(self._counts.counts[self.currentIndex().row()][0])
        else:
            super().keyPressEvent(event)


class _Counts(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.counts: tuple[tuple[str, int], ...] = ()

    def show_counts(self, counts: tuple[tuple[str, int], ...]) -> None:
        if [name for name, _ in counts] == [name for name, _ in self.counts]:
            self.counts = counts
            self.dataChanged.emit(self.index(0), self.index(len(counts) - 1))
            return
        self.beginResetModel()
        self.counts = counts
        self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.counts)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        name, number = self.counts[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return name
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{name}: {plural(number, 'photo')}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(
                tr(
                    "{name}: {photos}\nClick to show only these",
                    name=name,
                    photos=plural(number, "photo"),
                )
            )
        if role == _COUNT:
            return number
        return number / self.counts[0][1] if role == _SHARE else None


class _CountRow(QStyledItemDelegate):
    def __init__(self, view: QListView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        area = QRectF(option.rect).adjusted(theme.XS, 2, -theme.XS, -4)
        focused = self._view.hasFocus() and self._view.currentIndex() == index
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if focused or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(theme.color("accent"), 1) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("hover"))
            frame = QRectF(option.rect).adjusted(0.5, 0.5, -0.5, -0.5)
            painter.drawRoundedRect(frame, theme.CORNER, theme.CORNER)
        text = area.adjusted(0, 0, 0, -_BAR - 2)
        number = count(index.data(_COUNT))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(theme.font(numbers=True))
        painter.setPen(theme.color("text"))
        painter.drawText(text, middle | Qt.AlignmentFlag.AlignRight, number)
        text.setRight(text.right() - painter.fontMetrics().horizontalAdvance(number) - theme.M)
        shown = painter.fontMetrics().elidedText(
            one_line(index.data()), Qt.TextElideMode.ElideRight, int(text.width())
        )
        painter.drawText(text, middle | Qt.AlignmentFlag.AlignLeft, shown)
        bar = QRectF(area.x(), area.bottom() - _BAR, area.width(), _BAR)
        painter.setPen(Qt.PenStyle.NoPen)
        for token, share in (("sunken", 1.0), ("accent", index.data(_SHARE))):
            bar.setWidth(max(_BAR, area.width() * share))
            painter.setBrush(theme.color(token))
            painter.drawRoundedRect(bar, _BAR / 2, _BAR / 2)
        painter.restore()
