"""Buttons in a row, of which some show their icon alone where the window is too narrow."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QWidget

from desktop import theme
from desktop.widgets import build
from desktop.widgets.plain_text import tooltip


class ShrinkingButtons(QWidget):
    """The words of a button that has shrunk are its tooltip, before what that says otherwise."""

    def __init__(self, shrinking: Sequence[QPushButton], *others: QPushButton) -> None:
        """`shrinking` have icons; `others` keep their words."""
        super().__init__()
        self._texts = {each: each.text() for each in shrinking}
        self._tips = {each: each.toolTip() for each in shrinking}
        self._others = others
        self._shrunk = False
        for each, text in self._texts.items():
            each.setAccessibleName(each.accessibleName() or text.rstrip("…"))
        self._row = build.row(*shrinking, *others, parent=self, spacing=theme.S)
        self._full_width = self._row.minimumSize().width()

    def sizeHint(self) -> QSize:
        return QSize(self._current_full_width(), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        words = sum(
            each.fontMetrics().horizontalAdvance(text) for each, text in self._texts.items()
        )
        return QSize(self._current_full_width() - words, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        shrinks = self.width() < self._current_full_width()
        if shrinks != self._shrunk:
            self._shrunk = shrinks
            for each, text in self._texts.items():
                each.setText("" if shrinks else text)
                tip = "\n".join(
                    filter(None, (text.rstrip("…") if shrinks else "", self._tips[each]))
                )
                each.setToolTip(tooltip(tip))

    def _current_full_width(self) -> int:
        """Return what all take with their words; known again while these are shown."""
        if not self._shrunk:
            hints = [each.sizeHint().width() for each in (*self._texts, *self._others)]
            self._full_width = sum(hints) + self._row.spacing() * (len(hints) - 1)
        return self._full_width
