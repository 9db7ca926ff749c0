"""The line at the top of every page: its name on the left, its controls on the right."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_label import PlainLabel


class PageHeader(QWidget):
    """A title, a quiet sentence beside it, and any controls that are added."""

    def __init__(self, title: str, sentence: str = "") -> None:
        super().__init__()
        self.setMinimumHeight(theme.CONTROL_HEIGHT + 2 * theme.M)
        self.title = PlainLabel(title, "title")
        self.sentence = ElidedLabel(sentence, "muted")
        margins = (theme.L, theme.M, theme.L, theme.M)
        self.row = build.row(self.title, theme.S, (self.sentence, 1))
        self.rows = build.column(self.row, parent=self, margins=margins)

    def add(self, control: QWidget) -> None:
        """Put a control at the right end."""
        self.row.addWidget(control)
