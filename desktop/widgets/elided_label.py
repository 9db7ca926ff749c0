"""A label that shortens its text instead of widening the window."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel

from desktop import theme

_ELLIPSIS = "…"


class ElidedLabel(QLabel):
    """One line, cut with an ellipsis if it does not fit; the tooltip then has all of it."""

    def __init__(
        self,
        text: str = "",
        role: str = "",
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        super().__init__(text)
        if role:
            theme.set_role(self, role)
        self._mode = mode

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
        painter.drawText(self.contentsRect(), int(self.alignment()), self._shown())

    def _shown(self) -> str:
        shown = self.fontMetrics().elidedText(self.text(), self._mode, self.contentsRect().width())
        return "" if shown == _ELLIPSIS else shown

    def _explain(self) -> None:
        self.setToolTip(self.text() if self._shown() != self.text() else "")
