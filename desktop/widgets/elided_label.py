"""A label that shortens its text instead of widening the window."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent

from desktop.widgets import plain_text
from desktop.widgets.plain_label import PlainLabel

_ELLIPSIS = "…"


class ElidedLabel(PlainLabel):
    """One line, cut with an ellipsis if it does not fit; the tooltip then has all of it.

    It gives up all of its width before anything else has to.
    """

    def __init__(
        self,
        text: str = "",
        role: str = "",
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        super().__init__(text, role, elide=mode)

    def setText(self, text: str) -> None:
        super().setText(text)
        self._explain()

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._explain()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        shown = self.shown()
        painter.drawText(
            self.contentsRect(), int(self.alignment()), "" if shown == _ELLIPSIS else shown
        )

    def _explain(self) -> None:
        complete = self.shown() == self.text()
        self.setToolTip("" if complete else plain_text.tooltip(self.text()))
