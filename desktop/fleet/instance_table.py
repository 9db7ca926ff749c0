"""The instances of a fleet as a table on screen."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal
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
from desktop.fleet.instance_cells import InstanceCells
from desktop.fleet.instance_table_model import COLUMNS, NODE, PORT, InstanceTableModel
from desktop.fleet.metric_history import UNKNOWN
from desktop.translation import tr
from serving.fleet.view import InstanceView

_MIN_ROWS = 2
"""Rows that are seen without scrolling in the table."""


class InstanceTable(QTableView):
    """The table on screen: one selected row, a menu for each, ports copied by a click."""

    selection_changed = Signal()
    menu_requested = Signal(object)
    """A menu for the selected instance is to open at this QPoint of the screen."""

    def __init__(self, model: InstanceTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setModel(model)
        self.setItemDelegate(InstanceCells(self))
        self.setAccessibleName(tr("Instances"))
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
        self.selectionModel().selectionChanged.connect(lambda: self.selection_changed.emit())
        model.rowsInserted.connect(self._on_rows_inserted)
        model.rowsRemoved.connect(self.updateGeometry)
        model.dataChanged.connect(self._widen)
        self.clicked.connect(self._copy_port)
        self._fit_columns()

    @property
    def current(self) -> InstanceView | None:
        return self._model.at(self.currentIndex().row())

    @property
    def selected_id(self) -> str | None:
        each = self.current
        return each.instance.id if each and self.selectionModel().hasSelection() else None

    @property
    def full_height(self) -> int:
        """Pixels that it takes to show every row."""
        return self._height_of(self._model.rowCount())

    def _height_of(self, rows: int) -> int:
        height = self.verticalHeader().defaultSectionSize() * rows
        return self.horizontalHeader().sizeHint().height() + height + theme.S

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        rows = min(_MIN_ROWS, self._model.rowCount())
        return QSize(hint.width(), max(hint.height(), self._height_of(rows)))

    def select(self, instance_id: str) -> None:
        row = self._model.row_of(instance_id)
        if row is not None:
            self.selectRow(row)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_columns()
        # The details below are those of the selected row, so it stays in view.
        self.scrollTo(self.currentIndex().siblingAtColumn(0))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self.selected_id is None:
            return
        by_mouse = event.reason() is QContextMenuEvent.Reason.Mouse
        below = self.visualRect(self.currentIndex()).bottomLeft()
        position = event.globalPos() if by_mouse else self.viewport().mapToGlobal(below)
        self.menu_requested.emit(position)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        over_port = index.isValid() and index.column() == PORT
        shape = Qt.CursorShape.PointingHandCursor if over_port else Qt.CursorShape.ArrowCursor
        self.viewport().setCursor(shape)

    def _fit_columns(self) -> None:
        """Give each column the width of its longest text, and the rest to the sparklines."""
        width = self.viewport().width()
        columns = [i for i in range(len(COLUMNS)) if i != NODE or self._model.has_nodes]
        needed = {index: self._needed_width(index) for index in columns}
        for order in (1, 2):
            if sum(needed.values()) > width:
                needed = {i: w for i, w in needed.items() if COLUMNS[i].hide_order != order}
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
        is_late = column == NODE and shown is not self._model.has_nodes
        if is_late or (shown and self._needed_width(column) > self.columnWidth(column)):
            self._fit_columns()

    def _needed_width(self, index: int) -> int:
        column = COLUMNS[index]
        texts = [self._model.index(row, index).data() for row in range(self._model.rowCount())]
        heading = QFontMetrics(theme.font(theme.Size.SMALL)).horizontalAdvance(column.title)
        font = theme.monospace(theme.Size.SMALL) if column.fixed_width else theme.font()
        metrics = QFontMetrics(font)
        widest = max(metrics.horizontalAdvance(text) for text in (column.sample, *texts))
        return max(heading, widest) + 2 * theme.S + theme.XS

    def _on_rows_inserted(self) -> None:
        self._fit_columns()
        self.updateGeometry()
        if not self.selectionModel().hasSelection():
            self.selectRow(0)

    def _copy_port(self, index: QModelIndex) -> None:
        if index.column() != PORT or index.data() == UNKNOWN or self.current is None:
            return
        # The click has selected the row.
        text = wording.port_to_copy(self.current)
        QGuiApplication.clipboard().setText(text)
        below = self.visualRect(index).bottomLeft()
        QToolTip.showText(
            self.viewport().mapToGlobal(below), tr("Copied {address}", address=text), self
        )
