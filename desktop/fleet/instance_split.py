"""The table of instances above the details of the selected one."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QWidget

from desktop import theme
from desktop.fleet.instance_detail import InstanceDetail
from desktop.fleet.instance_table import InstanceTable
from desktop.widgets import build


class InstanceSplit(QSplitter):
    """Gives the table the height of its rows, up to half, until a person moves the handle."""

    def __init__(self, table: InstanceTable, detail: InstanceDetail) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self._table = table
        self._moved_by_hand = False
        self.setChildrenCollapsible(False)
        upper = QWidget()
        build.column(table, parent=upper, margins=(theme.L, 0, theme.L, theme.S))
        self.addWidget(upper)
        self.addWidget(detail)
        self.setStretchFactor(0, 0)
        self.setStretchFactor(1, 1)
        self.splitterMoved.connect(self._on_moved)

    def fit_table(self) -> None:
        """Follow a change in the number of rows."""
        if not self._moved_by_hand:
            table = min(self._table.full_height + theme.L, self.height() // 2)
            self.setSizes([table, self.height() - table])

    def resizeEvent(self, event: QResizeEvent) -> None:
        # Not with the page: on a page that is not shown yet, or when a strip above comes
        # or goes, the height that is really there is only known here.
        super().resizeEvent(event)
        self.fit_table()

    def _on_moved(self) -> None:
        self._moved_by_hand = True
