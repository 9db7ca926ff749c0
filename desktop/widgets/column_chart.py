"""Counts as columns side by side, a part of each marked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QHelpEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from desktop import theme
from desktop.formats import count
from desktop.translation import tr
from desktop.widgets.plain_text import tooltip

_HEIGHT = 96


class ColumnChart(QWidget):
    """The marked part of a column is hatched and of another colour, so that neither is needed.

    Left and Right go from column to column and say each; the accessible name has the facts.
    """

    def __init__(self, name: str) -> None:
        """`name` says what the chart shows."""
        super().__init__()
        self._name = name
        self._columns: Sequence[tuple[str, int, int]] = ()
        self._current = -1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.show_columns((), "")

    def show_columns(self, columns: Sequence[tuple[str, int, int]], facts: str) -> None:
        """Show columns of words, count, and how many of these are marked; `facts` says all."""
        self._columns = columns
        self._current = min(self._current, len(columns) - 1)
        self.setAccessibleName(f"{self._name}: {facts}" if facts else self._name)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, _HEIGHT)

    def column_words(self, place: int) -> str:
        """Return what a column says."""
        words, number, marked = self._columns[place]
        if not marked:
            return f"{words}: {count(number)}"
        return tr(
            "{column}: {number}, {unsure} unsure",
            column=words,
            number=count(number),
            unsure=count(marked),
        )

    def column_rect(self, place: int) -> QRectF:
        """Return what a column fills if it is the highest."""
        width = self.width() / max(1, len(self._columns))
        gap = 1 if width < 10 else 2
        foot = self.fontMetrics().height() + theme.XS
        return QRectF(place * width + gap, 2, max(1.0, width - 2 * gap), self.height() - foot - 2)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and self._columns:
            place = int(event.pos().x() * len(self._columns) / max(1, self.width()))
            words = self.column_words(min(max(0, place), len(self._columns) - 1))
            QToolTip.showText(event.globalPos(), tooltip(words), self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        step = steps.get(Qt.Key(event.key()))
        if step is None or not self._columns:
            super().keyPressEvent(event)
            return
        self._current = min(max(0, self._current + step), len(self._columns) - 1)
        self.setAccessibleDescription(self.column_words(self._current))
        at = self.column_rect(self._current).bottomLeft().toPoint()
        QToolTip.showText(self.mapToGlobal(at), tooltip(self.column_words(self._current)), self)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        highest = max((number for _, number, _ in self._columns), default=0)
        painter.setPen(QPen(theme.color("line_strong"), 1))
        foot = round(self.column_rect(0).bottom())
        painter.drawLine(0, foot, self.width(), foot)
        for place, (_, number, marked) in enumerate(self._columns):
            self._paint_column(painter, place, number / highest if highest else 0, number, marked)
        painter.setFont(theme.font(theme.Size.SMALL))
        painter.setPen(theme.color("muted"))
        if self._columns:
            words = QRectF(0, foot + theme.XS, self.width(), painter.fontMetrics().height())
            painter.drawText(words, Qt.AlignmentFlag.AlignLeft, self._columns[0][0])
            if len(self._columns) > 1:
                painter.drawText(words, Qt.AlignmentFlag.AlignRight, self._columns[-1][0])

    def _paint_column(
        self, painter: QPainter, place: int, share: float, number: int, marked: int
    ) -> None:
        box = self.column_rect(place)
        if place == self._current and self.hasFocus():
            painter.fillRect(box.adjusted(-1, 0, 1, 0), theme.color("accent_soft"))
        if not number:
            return
        full = QRectF(box)
        full.setTop(box.bottom() - max(2.0, box.height() * share))
        painter.fillRect(full, theme.color("accent"))
        if marked:
            part = QRectF(full)
            part.setTop(full.bottom() - max(2.0, full.height() * marked / number))
            painter.fillRect(part, theme.color("raised"))
            painter.fillRect(part, QBrush(theme.color("waiting"), Qt.BrushStyle.BDiagPattern))
            painter.setPen(QPen(theme.color("waiting"), 1))
            painter.drawRect(part.adjusted(0.5, 0.5, -0.5, -0.5))
