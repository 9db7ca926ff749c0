"""Paints the cells of the instance table."""

from __future__ import annotations

from enum import IntEnum

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QApplication,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from desktop import theme
from desktop.fleet.metric_history import UNKNOWN
from desktop.fleet.sparkline import paint_sparkline
from desktop.widgets.plain_text import one_line

MIN_SPARKLINE_WIDTH = 36
"""Pixels; with less space only the number is shown."""


class Role(IntEnum):
    """What a cell has beyond its text."""

    STATE = Qt.ItemDataRole.UserRole
    """The instance's state, a word that `theme.state_mark` knows."""
    POINTS = Qt.ItemDataRole.UserRole + 1
    """list[Point] to draw, or None."""
    MIN_SCALE = Qt.ItemDataRole.UserRole + 2
    """The top of their scale, unless a value is higher."""
    SAMPLE = Qt.ItemDataRole.UserRole + 3
    """The longest text of the column, so that its sparklines are equally long."""


class InstanceCells(QStyledItemDelegate):
    """Paints the state as mark and word, and numbers with their sparkline before them."""

    def __init__(self, table: QTableView) -> None:
        super().__init__(table)
        self._table = table

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        cell = QStyleOptionViewItem(option)
        self.initStyleOption(cell, index)
        text, cell.text = cell.text, ""
        cell.state &= ~QStyle.StateFlag.State_HasFocus
        style = self._table.style() or QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, cell, painter, self._table)
        inner = QRectF(option.rect).adjusted(theme.S, 0, -theme.S, -1)
        if index.column() == 0:
            self._paint_focus(painter, option)
        if state := index.data(Role.STATE):
            self._paint_state(painter, inner, state, text)
            return
        painter.setFont(index.data(Qt.ItemDataRole.FontRole) or theme.font(numbers=True))
        painter.setPen(theme.color("muted" if text == UNKNOWN else "text"))
        shown = painter.fontMetrics().elidedText(
            one_line(text), Qt.TextElideMode.ElideMiddle, int(inner.width()) + 1
        )
        painter.drawText(inner, int(cell.displayAlignment), shown)
        if points := index.data(Role.POINTS):
            texts = painter.fontMetrics().horizontalAdvance(index.data(Role.SAMPLE))
            area = inner.adjusted(0, 6, -texts - theme.S, -6)
            if area.width() >= MIN_SPARKLINE_WIDTH:
                min_scale = index.data(Role.MIN_SCALE)
                paint_sparkline(painter, area, points, min_scale, theme.color("accent"))

    def _paint_focus(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        if not self._table.hasFocus() or not option.state & QStyle.StateFlag.State_Selected:
            return
        edge = QRectF(option.rect.left(), option.rect.top(), 3, option.rect.height() - 1)
        painter.fillRect(edge, theme.color("accent"))

    def _paint_state(self, painter: QPainter, inner: QRectF, state: str, text: str) -> None:
        mark = theme.state_mark(state)
        side = painter.fontMetrics().ascent() - 2
        box = QRectF(inner.left(), inner.center().y() - side / 2, side, side)
        theme.paint_mark(painter, box, mark)
        painter.setFont(theme.font())
        painter.setPen(mark.color)
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(inner.adjusted(side + theme.S, 0, 0, 0), align, text)
