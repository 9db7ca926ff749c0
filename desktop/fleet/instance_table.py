"""The instances of a fleet as a table: a row each, updated in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFontMetrics,
    QGuiApplication,
    QMouseEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QToolTip, QWidget

from desktop import theme
from desktop.fleet import wording
from desktop.fleet.instance_cells import InstanceCells, Role
from desktop.fleet.metric_history import UNKNOWN, Metric, MetricHistory, Point, describe
from serving.fleet.view import FleetView, InstanceView

AnyIndex = QModelIndex | QPersistentModelIndex

ROOT = QModelIndex()


@dataclass(frozen=True)
class Column:
    title: str
    text: Callable[[InstanceView], str]
    metric: Metric | None = None
    number: bool = True
    fixed_width: bool = False
    sample: str = ""
    """A long text to make room for."""
    dispensable: int = 0
    """Where there is too little room, columns with 1 are left out, then those with 2."""


STATE = 0
PORT = 3
COLUMNS = (
    Column("State", lambda each: str(each.state).capitalize(), number=False, sample="Starting__"),
    Column(
        "Instance", lambda each: each.instance.id, number=False, fixed_width=True, dispensable=1
    ),
    Column("Version", wording.version),
    Column(
        "Port",
        lambda each: wording.port(each.instance.grpc_address),
        fixed_width=True,
        sample="65535",
    ),
    Column("Uptime", wording.uptime, sample="59 min"),
    Column("CPU", wording.cpu, Metric.CPU, sample="100%"),
    Column("Memory", wording.memory, Metric.MEMORY, sample="99.9 MB"),
    Column("Requests", wording.requests, sample="10,000", dispensable=2),
    Column("Requests/s", wording.requests_rate, Metric.REQUESTS, sample="100/s"),
    Column("p95", wording.p95, sample="100 ms"),
)


class InstanceTableModel(QAbstractTableModel):
    """A thin adapter over the latest FleetView.

    Rows keep their order, oldest instance first, and only cells whose text or chart
    changed are announced, so a selection stays and nothing flickers.
    """

    def __init__(self, history: MetricHistory) -> None:
        super().__init__()
        self._history = history
        self._rows: list[InstanceView] = []
        self._texts: list[list[str]] = []

    def show_view(self, view: FleetView) -> None:
        """Show what `view` says."""
        wanted = sorted(view.instances, key=lambda each: (each.instance.started, each.instance.id))
        ids = {each.instance.id for each in wanted}
        for row in range(len(self._rows) - 1, -1, -1):
            if self._rows[row].instance.id not in ids:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._rows[row], self._texts[row]
                self.endRemoveRows()
        for row, each in enumerate(wanted):
            known = self.row_of(each.instance.id)
            if known is None:
                self.beginInsertRows(QModelIndex(), row, row)
                self._rows.insert(row, each)
                self._texts.insert(row, _texts(each))
                self.endInsertRows()
                continue
            if known != row:
                self.beginMoveRows(QModelIndex(), known, known, QModelIndex(), row)
                self._rows.insert(row, self._rows.pop(known))
                self._texts.insert(row, self._texts.pop(known))
                self.endMoveRows()
            self._update(row, each)

    def row_of(self, instance_id: str) -> int | None:
        for row, each in enumerate(self._rows):
            if each.instance.id == instance_id:
                return row
        return None

    def at(self, row: int) -> InstanceView | None:
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def rowCount(self, parent: AnyIndex = ROOT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = ROOT) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(COLUMNS[section])
        if role == Qt.ItemDataRole.ToolTipRole and COLUMNS[section].title == "p95":
            return "95 of 100 requests were answered within this time"
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        column, each = COLUMNS[index.column()], self._rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._texts[index.row()][index.column()]
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case Qt.ItemDataRole.FontRole:
                return theme.monospace(theme.Size.SMALL) if column.fixed_width else None
            case Qt.ItemDataRole.ToolTipRole:
                return self._tip(each, index.column())
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._spoken(each, index.column())
            case Role.STATE:
                return str(each.state) if index.column() == STATE else None
            case Role.POINTS:
                return self._points(each, column)
            case Role.MIN_SCALE:
                return column.metric.min_scale if column.metric else None
            case Role.SAMPLE:
                return column.sample
            case _:
                return None

    def _update(self, row: int, each: InstanceView) -> None:
        before, self._rows[row] = self._texts[row], each
        self._texts[row] = after = _texts(each)
        for column, description in enumerate(COLUMNS):
            if description.metric or before[column] != after[column]:
                cell = self.index(row, column)
                self.dataChanged.emit(cell, cell)

    def _points(self, each: InstanceView, column: Column) -> list[Point] | None:
        if column.metric is None:
            return None
        return self._history.points(each.instance.id, column.metric)

    def _spoken(self, each: InstanceView, column: int) -> str:
        described_by = COLUMNS[column]
        if described_by.metric is not None:
            return describe(described_by.metric, self._points(each, described_by) or [])
        return f"{described_by.title}: {described_by.text(each)}"

    def _tip(self, each: InstanceView, column: int) -> str | None:
        if COLUMNS[column].metric is not None:
            return self._spoken(each, column)
        if column == PORT and each.instance.grpc_address:
            return f"gRPC at {each.instance.grpc_address}. A click copies the port."
        if column == STATE:
            return wording.problem_sentence(each) or None
        return each.instance.id if COLUMNS[column].title == "Instance" else None


class InstanceTable(QTableView):
    """The table on screen: one selected row, a menu for each, ports copied by a click."""

    selection_changed = Signal(object)
    """The id of the selected instance, or None."""
    menu_requested = Signal(object)
    """A global QPoint: a menu for the selected instance is to open there."""

    def __init__(self, model: InstanceTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setModel(model)
        self.setItemDelegate(InstanceCells(self))
        self.setAccessibleName("Instances")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(36)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.selectionModel().selectionChanged.connect(self._tell_selection)
        model.rowsInserted.connect(self._select_something)
        model.dataChanged.connect(self._widen)
        self.clicked.connect(self._copy_port)
        self._fit_columns()

    @property
    def selected_id(self) -> str | None:
        each = self._model.at(self.currentIndex().row())
        return each.instance.id if each and self.selectionModel().hasSelection() else None

    @property
    def full_height(self) -> int:
        """Pixels that it takes to show every row."""
        rows = self.verticalHeader().defaultSectionSize() * self._model.rowCount()
        return self.horizontalHeader().sizeHint().height() + rows + theme.S

    def select(self, instance_id: str) -> None:
        row = self._model.row_of(instance_id)
        if row is not None:
            self.selectRow(row)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_columns()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self.selected_id is None:
            return
        by_mouse = event.reason() is QContextMenuEvent.Reason.Mouse
        below = self.visualRect(self.currentIndex()).bottomLeft()
        place = event.globalPos() if by_mouse else self.viewport().mapToGlobal(below)
        self.menu_requested.emit(place)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        over_port = index.isValid() and index.column() == PORT
        shape = Qt.CursorShape.PointingHandCursor if over_port else Qt.CursorShape.ArrowCursor
        self.viewport().setCursor(shape)

    def _fit_columns(self) -> None:
        """Give each column the room of its longest text, and the rest to the sparklines."""
        width = self.viewport().width()
        needed = {index: self._needed_width(index) for index in range(len(COLUMNS))}
        for rank in (1, 2):
            if sum(needed.values()) > width:
                needed = {i: w for i, w in needed.items() if COLUMNS[i].dispensable != rank}
        charts = sum(COLUMNS[index].metric is not None for index in needed)
        for_charts = min(140, max(0, width - sum(needed.values())) // charts)
        needed = {i: w + for_charts * bool(COLUMNS[i].metric) for i, w in needed.items()}
        for_all = max(0, width - sum(needed.values())) // len(needed)
        for index in range(len(COLUMNS)):
            self.setColumnHidden(index, index not in needed)
            if index in needed:
                self.setColumnWidth(index, needed[index] + for_all)

    def _widen(self, cell: QModelIndex) -> None:
        column = cell.column()
        shown = not self.isColumnHidden(column)
        if shown and self._needed_width(column) > self.columnWidth(column):
            self._fit_columns()

    def _needed_width(self, index: int) -> int:
        column = COLUMNS[index]
        texts = [self._model.index(row, index).data() for row in range(self._model.rowCount())]
        heading = QFontMetrics(theme.font(theme.Size.SMALL)).horizontalAdvance(column.title)
        font = theme.monospace(theme.Size.SMALL) if column.fixed_width else theme.font()
        metrics = QFontMetrics(font)
        widest = max(metrics.horizontalAdvance(text) for text in (column.sample, *texts))
        return max(heading, widest) + 2 * theme.S + theme.XS

    def _select_something(self) -> None:
        self._fit_columns()
        if not self.selectionModel().hasSelection():
            self.selectRow(0)

    def _tell_selection(self) -> None:
        self.selection_changed.emit(self.selected_id)

    def _copy_port(self, index: QModelIndex) -> None:
        text = index.data()
        if index.column() != PORT or text == UNKNOWN:
            return
        QGuiApplication.clipboard().setText(text)
        below = self.visualRect(index).bottomLeft()
        QToolTip.showText(self.viewport().mapToGlobal(below), f"Copied {text}", self)


def _texts(each: InstanceView) -> list[str]:
    return [column.text(each) for column in COLUMNS]


def _alignment(column: Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
