"""Labels by class as bars: a list that reads the same with eyes, keys or a screen reader."""

from __future__ import annotations

from enum import IntEnum
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
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from backend.contract import ClassCount
from desktop import theme
from desktop.formats import count, plural
from desktop.translation import tr
from desktop.widgets.plain_text import one_line, tooltip

ROOT = QModelIndex()
_NEW = tr("new")
_BAR = 6
_ROW = 44


class BarRole(IntEnum):
    """What a row has beyond its text."""

    COUNT = Qt.ItemDataRole.UserRole
    """ClassCount"""
    MAX_LABELS = Qt.ItemDataRole.UserRole + 1
    """The number of labels of the class with the most."""


class ClassBarsModel(QAbstractListModel):
    """A thin adapter over the counts of a LabelSummary, most labels first."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: list[ClassCount] = []

    def show_counts(self, counts: list[ClassCount]) -> None:
        """Show `counts`; the list is reset only if classes came, went or moved."""
        latest = sorted(counts, key=lambda each: (-each.labels, each.name.casefold()))
        names = [each.name for each in self._counts]
        if names == [each.name for each in latest]:
            self._counts = latest
            if latest:
                self.dataChanged.emit(self.index(0), self.index(len(latest) - 1))
            return
        self.beginResetModel()
        self._counts = latest
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = ROOT) -> int:
        return 0 if parent.isValid() else len(self._counts)

    def data(
        self,
        index: QModelIndex | QPersistentModelIndex,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        each = self._counts[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return each.name
            case Qt.ItemDataRole.AccessibleTextRole:
                return _facts(each)
            case Qt.ItemDataRole.ToolTipRole:
                return tooltip(_facts(each))
            case BarRole.COUNT:
                return each
            case BarRole.MAX_LABELS:
                return max(1, *(other.labels for other in self._counts))
            case _:
                return None


class ClassBars(QListView):
    """A row a class: its name, the number of labels, and a bar as long as that."""

    selected = Signal(str)
    """The class that is selected now; empty if none is."""

    def __init__(self, parent: QWidget | None = None, *, selectable: bool = False) -> None:
        """With `selectable`, one class can be selected, to do something with it."""
        super().__init__(parent)
        self._model = ClassBarsModel()
        self.setModel(self._model)
        self.setItemDelegate(_BarRow(self))
        self.setAccessibleName(tr("Labels by class"))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)

        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.SingleSelection if selectable else mode.NoSelection)
        self.selectionModel().selectionChanged.connect(
            lambda: self.selected.emit(self.selected_class)
        )

    @property
    def selected_class(self) -> str:
        """The class that is selected; empty if none is."""
        indexes = self.selectionModel().selectedIndexes()
        return indexes[0].data() if indexes else ""

    def show_counts(self, counts: list[ClassCount]) -> None:
        """Show `counts`; a class that is selected stays so."""
        before = self.selected_class
        self._model.show_counts(counts)
        if before and not self.selected_class:
            self.select(before)

    def select(self, name: str) -> None:
        """Select a class, if it is there, and scroll to it."""
        for row in range(self._model.rowCount()):
            index = self._model.index(row)
            if index.data() == name:
                self.setCurrentIndex(index)
                return
        self.selected.emit("")


class _BarRow(QStyledItemDelegate):
    """Paints name and number above the bar; a class that is new has a hollow bar."""

    def __init__(self, view: QListView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return QSize(120, _ROW)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        each: ClassCount = index.data(BarRole.COUNT)
        area = QRectF(option.rect).adjusted(theme.S, theme.XS, -theme.S, -theme.XS)
        text = QRectF(area.left(), area.top(), area.width(), area.height() - _BAR - theme.XS)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent_soft"))
            painter.drawRoundedRect(QRectF(option.rect), theme.CORNER, theme.CORNER)
        if self._view.hasFocus() and option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(theme.color("accent"), 1))
            inner = QRectF(option.rect).adjusted(0.5, 0.5, -0.5, -0.5)
            painter.drawRoundedRect(inner, theme.CORNER, theme.CORNER)
        self._paint_text(painter, text, each)
        bar = QRectF(area.left(), area.bottom() - _BAR, area.width(), _BAR)
        self._paint_bar(painter, bar, each.labels / index.data(BarRole.MAX_LABELS), each.known)
        painter.restore()

    def _paint_text(self, painter: QPainter, area: QRectF, each: ClassCount) -> None:
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(theme.font(numbers=True))
        painter.setPen(theme.color("text"))
        number = count(each.labels)
        painter.drawText(area, middle | Qt.AlignmentFlag.AlignRight, number)
        metrics = painter.fontMetrics()
        mark = 0 if each.known else metrics.horizontalAdvance(_NEW) + theme.S
        available = area.width() - metrics.horizontalAdvance(number) - theme.M - mark
        name = metrics.elidedText(one_line(each.name), Qt.TextElideMode.ElideMiddle, int(available))
        painter.drawText(area, middle | Qt.AlignmentFlag.AlignLeft, name)
        if mark:
            after = area.adjusted(metrics.horizontalAdvance(name) + theme.S, 0, 0, 0)
            painter.setFont(theme.font(theme.Size.SMALL, strong=True))
            painter.setPen(theme.color("accent"))
            painter.drawText(after, middle | Qt.AlignmentFlag.AlignLeft, _NEW)

    def _paint_bar(self, painter: QPainter, bar: QRectF, share: float, known: bool) -> None:
        round_by = bar.height() / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("sunken"))
        painter.drawRoundedRect(bar, round_by, round_by)
        if not share:
            return
        bar.setWidth(max(bar.height(), bar.width() * share))
        if known:
            painter.setBrush(theme.color("accent"))
        else:
            painter.setBrush(theme.color("raised"))
            painter.setPen(QPen(theme.color("accent"), 1.5))
            bar.adjust(0.75, 0.75, -0.75, -0.75)
        painter.drawRoundedRect(bar, round_by, round_by)


def _facts(each: ClassCount) -> str:
    labels = plural(each.labels, "label")
    if each.known:
        return f"{each.name}: {labels}"
    return tr(
        "{name}: {labels}, a new class that the live version cannot answer with yet",
        name=each.name,
        labels=labels,
    )
