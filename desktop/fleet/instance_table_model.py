"""The instances of a fleet as rows of a table, updated in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from desktop import theme
from desktop.fleet import wording
from desktop.fleet.instance_cells import Role
from desktop.fleet.metric_history import Metric, MetricHistory, Point, describe
from desktop.translation import tr
from desktop.widgets.plain_text import tooltip
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
    """The longest text to expect, so that the column need not grow later."""
    hide_order: int = 0
    """If there is too little space, columns with 1 are hidden, then those with 2; 0 never."""
    tip: Callable[[InstanceView], str] = lambda each: ""
    title_tip: str = ""


STATE = 0
NODE = 2
PORT = 4
COLUMNS = (
    Column(
        tr("State"),
        lambda each: wording.STATE_WORDS[each.state],
        number=False,
        sample=max(wording.STATE_WORDS.values(), key=len) + "___",  # space for the mark
        tip=wording.problem_sentence,
    ),
    Column(
        tr("Instance"),
        lambda each: each.instance.id,
        number=False,
        fixed_width=True,
        hide_order=1,
        tip=lambda each: each.instance.id,
    ),
    Column(tr("Node"), wording.node, number=False, sample="worker-1", tip=wording.node),
    Column(tr("Version"), wording.version, tip=wording.versions_tip),
    Column(tr("Port"), wording.port, fixed_width=True, sample=wording.SOCKET, tip=wording.port_tip),
    Column(tr("Uptime"), wording.uptime, sample="59 min"),
    Column(Metric.CPU.title, wording.cpu, Metric.CPU, sample="100%"),
    Column(Metric.MEMORY.title, wording.memory, Metric.MEMORY, sample="99.9 MB"),
    Column(
        tr("Requests"),
        wording.requests,
        sample="10,000",
        hide_order=2,
        title_tip=tr("Since it was started, from all programs, checks included"),
    ),
    Column(Metric.REQUESTS.title, wording.requests_rate, Metric.REQUESTS, sample="100/s"),
    Column(
        Metric.P95.title,
        wording.p95,
        sample="100 ms",
        title_tip=tr("95 of 100 requests were answered within this time"),
    ),
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

    @property
    def has_nodes(self) -> bool:
        """Whether the engine says on which of several machines an instance runs."""
        return any(each.instance.node for each in self._rows)

    def show_view(self, view: FleetView) -> None:
        """Take over the instances of `view`, row by row."""
        latest = sorted(
            view.instances_and_attached,
            key=lambda each: (wording.is_attached(each), each.instance.started, each.instance.id),
        )
        ids = {each.instance.id for each in latest}
        for row in range(len(self._rows) - 1, -1, -1):
            if self._rows[row].instance.id not in ids:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._rows[row], self._texts[row]
                self.endRemoveRows()
        for row, each in enumerate(latest):
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
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(COLUMNS[section].title_tip) or None
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
                words = column.tip(each) or (self._describe(each, column) if column.metric else "")
                return tooltip(words) or None
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._describe(each, column)
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
        for number, column in enumerate(COLUMNS):
            if column.metric or before[number] != after[number]:  # a sparkline moves on always
                cell = self.index(row, number)
                self.dataChanged.emit(cell, cell)

    def _points(self, each: InstanceView, column: Column) -> list[Point] | None:
        if column.metric is None:
            return None
        return self._history.points(each.instance.id, column.metric)

    def _describe(self, each: InstanceView, column: Column) -> str:
        if column.metric is not None:
            return describe(column.metric, self._points(each, column) or [])
        return tr("{title}: {value}", title=column.title, value=column.text(each))


def _texts(each: InstanceView) -> list[str]:
    return [column.text(each) for column in COLUMNS]


def _alignment(column: Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
