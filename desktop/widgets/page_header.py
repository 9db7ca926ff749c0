"""The line at the top of every place: its name on the left, its controls on the right."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from desktop import theme
from desktop.widgets.elided_label import ElidedLabel


class PageHeader(QWidget):
    """A title, a quiet sentence beside it, and whatever controls are added."""

    def __init__(self, title: str, sentence: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(theme.CONTROL_HEIGHT + 2 * theme.M)
        self.title = QLabel(title)
        theme.set_role(self.title, "title")
        self.sentence = ElidedLabel(sentence)
        theme.set_role(self.sentence, "muted")
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(theme.L, theme.M, theme.L, theme.M)
        self._layout.setSpacing(theme.S)
        self._layout.addWidget(self.title)
        self._layout.addSpacing(theme.S)
        self._layout.addWidget(self.sentence, 1)

    def add(self, control: QWidget) -> None:
        """Put a control at the right end."""
        self._layout.addWidget(control)
