"""Which classes a version takes for which, as a grid that is drawn and walked with keys."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from desktop import theme
from desktop.formats import count, percent, plural
from desktop.translation import tr
from desktop.widgets.plain_text import one_line, tooltip

MAX_CLASSES = 50
"""Classes that are drawn; of more, those with the most mistakes."""
_MIN_CELL, _MAX_CELL = 12, 44
_MAX_NAME = 140
"""Pixels for the name of a class beside its row, and above its column."""
_AXIS = 20
_NUMBERS_FROM = 20
"""A cell at least this wide shows its number."""


class ConfusionMatrix(QWidget):
    """A row for each class that photos show, a column for each answer.

    Right answers are in the accent colour and wrong ones in the colour of failures, each as
    strong as its share of the row.
    """

    cell_selected = Signal(str, str)
    """What the photos show, and what was answered."""
    cell_opened = Signal()
    """A click, or Enter on the selected cell: its photos are to be looked at."""

    def __init__(self) -> None:
        super().__init__()
        self._classes: list[str] = []
        self._shown_names: list[str] = []
        self._counts: list[list[int]] = []
        self._all_classes = 0
        self._current: tuple[int, int] | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    @property
    def classes(self) -> Sequence[str]:
        """The classes that are drawn, in their order."""
        return self._classes

    @property
    def is_shortened(self) -> bool:
        """Whether there are more classes than are drawn."""
        return self._all_classes > len(self._classes)

    def show_counts(self, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
        """Show `counts[row][column]`: photos of class `row` that were answered `column`."""
        chosen = drawn_classes(counts)
        self._all_classes = len(classes)
        self._classes = [classes[number] for number in chosen]
        self._shown_names = [one_line(name) for name in self._classes]
        self._counts = [[counts[row][column] for column in chosen] for row in chosen]
        self._current = None
        self.setAccessibleName(self._summary())
        self.updateGeometry()
        self.update()

    @property
    def mistakes(self) -> list[tuple[int, str, str]]:
        """How many photos, what they show and what was answered, the most frequent first."""
        wrong = [
            (number, self._classes[row], self._classes[column])
            for row, line in enumerate(self._counts)
            for column, number in enumerate(line)
            if number and row != column
        ]
        return sorted(wrong, key=lambda each: -each[0])

    def text(self) -> str:
        """Return every mistake as a line of text, the most frequent first."""
        return "\n".join(
            tr("{shown} as {answer}: {number}", shown=shown, answer=answer, number=count(number))
            for number, shown, answer in self.mistakes
        )

    def cell_rect(self, row: int, column: int) -> QRectF:
        """Return where a cell is drawn."""
        side, left, top = self._cell(), self._left(), self._top()
        return QRectF(left + column * side, top + row * side, side, side)

    @property
    def full_width(self) -> int:
        """Pixels that it takes with the largest cells."""
        return round(self._left() + len(self._classes) * _MAX_CELL) + 2

    def sizeHint(self) -> QSize:
        return QSize(480, self.heightForWidth(480))

    def minimumSizeHint(self) -> QSize:
        number = max(1, len(self._classes))
        return QSize(round(self._left() + number * _MIN_CELL) + 2, 120)

    def heightForWidth(self, width: int) -> int:
        return round(self._top() + len(self._classes) * self._cell(width) + theme.S)

    def event(self, event: QEvent) -> bool:
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            cell = self._cell_at(QPointF(event.pos()))
            words = self._describe(*cell) if cell else ""
            QToolTip.showText(event.globalPos(), tooltip(words), self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        cell = self._cell_at(event.position())
        if cell is not None:
            self._select(cell)
            self.cell_opened.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            if self._classes:
                self._select(self._current or (0, 0))
                self.cell_opened.emit()
            return
        step = steps.get(Qt.Key(event.key()))
        if step is None or not self._classes:
            super().keyPressEvent(event)
            return
        last = len(self._classes) - 1
        row, column = self._current or (0, 0)
        if self._current is not None:
            row, column = row + step[0], column + step[1]
        self._select((max(0, min(last, row)), max(0, min(last, column))))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._classes:
            return
        self._paint_names(painter)
        side = self._cell()
        painter.setFont(theme.font(theme.Size.SMALL, numbers=True))
        for row, line in enumerate(self._counts):
            total = max(1, sum(line))
            for column, number in enumerate(line):
                self._paint_cell(painter, row, column, number, number / total)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._current is not None:
            strong = "accent" if self.hasFocus() else "line_strong"
            painter.setPen(QPen(theme.color(strong), 2))
            painter.drawRect(self.cell_rect(*self._current).adjusted(0, 0, -side * 0.04, 0))

    def _paint_cell(
        self, painter: QPainter, row: int, column: int, number: int, share: float
    ) -> None:
        cell = self.cell_rect(row, column).adjusted(0.5, 0.5, -0.5, -0.5)
        ink = theme.color("sunken")
        painter.fillRect(cell, ink)
        if not number:
            return
        ink = theme.color("accent" if row == column else "failed")
        # A single mistake among many is still to be seen.
        strength = 0.18 + 0.72 * share
        ink.setAlphaF(strength)
        painter.fillRect(cell, ink)
        if cell.width() >= _NUMBERS_FROM:
            painter.setPen(theme.color("on_accent" if strength > 0.55 else "text"))
            painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, count(number))

    def _paint_names(self, painter: QPainter) -> None:
        font = theme.font(theme.Size.SMALL)
        metrics = QFontMetrics(font)
        painter.setFont(font)
        side, left, top = self._cell(), self._left(), self._top()
        painter.setPen(theme.color("muted"))
        axis = QRectF(left, 0, len(self._classes) * side, _AXIS)
        painter.drawText(
            axis, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, tr("Answered as")
        )
        shown = QRectF(0, top - metrics.height() - theme.XS, left - theme.S, metrics.height())
        painter.drawText(shown, Qt.AlignmentFlag.AlignRight, tr("Shows"))
        # With cells lower than a line, only as many names as fit.
        every = max(1, -(-metrics.height() // int(side)))
        selected = set(self._current or ())
        beside = {each + step for each in selected for step in (-1, 1)} if every > 1 else set()
        for number, name in enumerate(self._shown_names):
            strong = number in selected
            if not strong and (number % every or number in beside):
                continue
            painter.setPen(theme.color("text" if strong or not self._current else "muted"))
            space = QRectF(0, top + number * side, left - theme.S, side)
            room = int(space.width())
            text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, room)
            centered = QRectF(space)
            centered.setHeight(max(side, metrics.height()))
            centered.moveCenter(space.center())
            align = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(centered, align, text)
            painter.save()
            painter.translate(left + (number + 0.5) * side, top - theme.XS)
            painter.rotate(-90)
            up = QRectF(0, -metrics.height() / 2, top - _AXIS - theme.XS, metrics.height())
            text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, int(up.width()))
            painter.drawText(up, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
            painter.restore()

    def _name_width(self) -> int:
        metrics = QFontMetrics(theme.font(theme.Size.SMALL))
        widest = max((metrics.horizontalAdvance(name) for name in self._shown_names), default=0)
        return min(_MAX_NAME, max(widest + theme.XS, metrics.horizontalAdvance(tr("Shows"))))

    def _left(self) -> float:
        return self._name_width() + theme.S

    def _top(self) -> float:
        return _AXIS + self._name_width() + theme.XS

    def _cell(self, width: int | None = None) -> float:
        number = max(1, len(self._classes))
        free = (self.width() if width is None else width) - self._left() - 2
        return max(_MIN_CELL, min(_MAX_CELL, free // number))

    def _cell_at(self, point: QPointF) -> tuple[int, int] | None:
        side = self._cell()
        column, row = (point.x() - self._left()) // side, (point.y() - self._top()) // side
        inside = 0 <= row < len(self._classes) and 0 <= column < len(self._classes)
        return (int(row), int(column)) if inside else None

    def _select(self, cell: tuple[int, int]) -> None:
        self._current = cell
        self.setAccessibleDescription(self._describe(*cell))
        self.update()
        self.cell_selected.emit(self._classes[cell[0]], self._classes[cell[1]])

    def _describe(self, row: int, column: int) -> str:
        number, shown = self._counts[row][column], self._classes[row]
        total = sum(self._counts[row])
        photos, answer = plural(number, "photo"), self._classes[column]
        if not total:
            return tr(
                "{photos} of {shown} answered {answer}", photos=photos, shown=shown, answer=answer
            )
        return tr(
            "{photos} of {shown} answered {answer}, {share} of them",
            photos=photos,
            shown=shown,
            answer=answer,
            share=percent(number / total),
        )

    def _summary(self) -> str:
        total = sum(sum(line) for line in self._counts)
        right = sum(line[number] for number, line in enumerate(self._counts))
        return tr(
            "Confusion matrix: {right} of {photos} right",
            right=count(right),
            photos=plural(total, "photo"),
        )


def drawn_classes(counts: Sequence[Sequence[int]]) -> list[int]:
    """Return which classes are drawn: all, or of too many those with the most mistakes."""
    number = len(counts)
    if number <= MAX_CLASSES:
        return list(range(number))
    mistakes = [0] * number
    for row, line in enumerate(counts):
        for column, times in enumerate(line):
            if times and row != column:
                mistakes[row] += times
                mistakes[column] += times
    worst = sorted(range(number), key=lambda each: -mistakes[each])[:MAX_CLASSES]
    return sorted(worst)
