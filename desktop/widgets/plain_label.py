"""The one label of the application: it shows text as text, and no text changes its window."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel

from desktop import theme
from desktop.widgets import plain_text

_MAX_MIN_WIDTH = 240
"""Pixels that a label of one line insists on, however long its text is."""
_MAX_WIDTH = 640
"""Pixels that a label of one line asks for."""


class PlainLabel(QLabel):
    """Never rich text. One line ends in an ellipsis if it does not fit; with `wrap` it breaks.

    `text()` is what was set; on screen control and format characters are spelled out, and
    of a long text only the beginning is shown: `limit` characters and `lines` of its own
    line breaks, if it breaks, and more of it in the tooltip.
    """

    def __init__(
        self,
        text: str = "",
        role: str = "",
        *,
        wrap: bool = False,
        selectable: bool = False,
        limit: int = plain_text.MAX_TEXT,
        lines: int = 1,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        super().__init__()
        super().setTextFormat(Qt.TextFormat.PlainText)
        self.setOpenExternalLinks(False)
        self._limit, self._lines = limit, lines
        self._elide = elide
        self._is_cut = False
        self.setWordWrap(wrap)
        if selectable:
            self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        if role:
            theme.set_role(self, role)
        self.setText(text)

    def setText(self, text: str) -> None:
        self._text = text
        if not self.wordWrap():
            super().setText(plain_text.one_line(text))
            return
        super().setText(plain_text.several_lines(text, self._limit, self._lines))
        was_cut, self._is_cut = self._is_cut, super().text().endswith("…") > text.endswith("…")
        if self._is_cut or was_cut:
            self.setToolTip(plain_text.tooltip(text) if self._is_cut else "")

    def text(self) -> str:
        return self._text

    def setTextFormat(self, format: Qt.TextFormat) -> None:
        """Leave it plain, whatever is asked for."""

    def sizeHint(self) -> QSize:
        return self._bounded(super().sizeHint(), _MAX_WIDTH)

    def minimumSizeHint(self) -> QSize:
        return self._bounded(super().minimumSizeHint(), _MAX_MIN_WIDTH)

    def paintEvent(self, event: QPaintEvent) -> None:
        shown = super().text()
        space = self.contentsRect()
        if self.wordWrap() or self.fontMetrics().horizontalAdvance(shown) <= space.width():
            super().paintEvent(event)
            return
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(space, int(self.alignment()), self.shown())

    def shown(self) -> str:
        """Return what is on screen: the text of one line, as much of it as fits."""
        text, metrics = super().text(), self.fontMetrics()
        return metrics.elidedText(text, self._elide, self.contentsRect().width())

    def _bounded(self, size: QSize, width: int) -> QSize:
        """Return `size` at most so wide, and of one line as high as the font, whatever is in it."""
        if self.wordWrap() or not super().text():
            return size
        # Letters that another font draws would make the line higher.
        margins = self.contentsMargins()
        line = self.fontMetrics().height() + 2 * self.margin() + margins.top() + margins.bottom()
        return QSize(min(size.width(), width), min(size.height(), line))
