"""One class that a key gives to the photo."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QEnterEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from desktop import formats, theme
from desktop.learn.labelling.choices import Choice
from desktop.translation import tr
from desktop.widgets.plain_text import one_line, tooltip
from desktop.widgets.tile_grid import Face

_CAP = 20
"""Side of the key that is drawn before the name, in pixels."""
_BAR = 3
MIN_HEIGHT, _HEIGHT = 24, 32


class ClassRow(QAbstractButton):
    """Shows the key, the name and the score of a class; a click is the same as its key."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key
        self._choice: Choice | None = None
        self._selected = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    @property
    def choice(self) -> Choice | None:
        return self._choice

    def show_choice(self, choice: Choice | None, *, selected: bool) -> None:
        """Show `choice`, or nothing; `selected` if Enter takes it."""
        self._choice, self._selected = choice, selected
        self.setVisible(choice is not None)
        self.setAccessibleName("" if choice is None else f"{self._key}: {words(choice)}")
        self.setToolTip("" if choice is None else tooltip(words(choice)))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, MIN_HEIGHT)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._choice is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5)
        fill = "accent_soft" if self._selected else "hover" if self.underMouse() else ""
        if fill:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color(fill))
            painter.drawRoundedRect(frame, theme.CORNER, theme.CORNER)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("accent"), 1))
            painter.drawRoundedRect(frame, theme.CORNER, theme.CORNER)
        cap = QRectF(frame.x() + theme.S, frame.center().y() - _CAP / 2, _CAP, _CAP)
        paint_key(painter, cap, self._key)
        text = frame.adjusted(theme.S + _CAP + theme.S, 0, -theme.S, 0)
        self._paint_words(painter, text, self._choice)

    def _paint_words(self, painter: QPainter, box: QRectF, choice: Choice) -> None:
        name = Face(theme.font(strong=self._selected))
        bar = 0.0 if choice.score is None else _BAR + 2.0
        line = QRectF(box.x(), box.center().y() - (name.height + bar) / 2, box.width(), name.height)
        if note := _note(choice):
            numbers = Face(theme.font(numbers=choice.score is not None))
            width = min(numbers.metrics.horizontalAdvance(note) + 2.0, box.width() / 2)
            side = QRectF(line.right() - width, line.y(), width, line.height())
            painter.setPen(theme.color("accent" if choice.is_new else "muted"))
            numbers.draw(painter, side, note)
            line.setRight(side.left() - theme.S)
        painter.setPen(theme.color("text"))
        name.draw(painter, line, choice.name)
        if choice.score is None:
            return
        track = QRectF(box.x(), line.bottom() + 2, box.width(), _BAR)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("sunken"))
        painter.drawRoundedRect(track, _BAR / 2, _BAR / 2)
        if choice.score >= 0.005:
            track.setWidth(max(_BAR, track.width() * min(1.0, choice.score)))
            painter.setBrush(theme.color("accent" if self._selected else "line_strong"))
            painter.drawRoundedRect(track, _BAR / 2, _BAR / 2)


def paint_key(painter: QPainter, cap: QRectF, key: str) -> None:
    """Paint a key of the keyboard into `cap`."""
    painter.setPen(QPen(theme.color("line_strong"), 1))
    painter.setBrush(theme.color("raised"))
    painter.drawRoundedRect(cap, 4, 4)
    painter.setPen(theme.color("muted"))
    painter.setFont(theme.font(theme.Size.SMALL, numbers=True))
    painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, key)


def words(choice: Choice) -> str:
    """Return what a row shows as a line of text."""
    note = _note(choice)
    return f"{one_line(choice.name)}, {note}" if note else one_line(choice.name)


def _note(choice: Choice) -> str:
    """Return what stands at the end of a row."""
    if choice.is_new:
        return tr("new class")
    if choice.other:
        return one_line(choice.other)
    return "" if choice.score is None else formats.percent(choice.score)
