"""The rail at the left: one button a place, settings and help at its foot."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from desktop import theme

WIDTH = 80


class Sidebar(QFrame):
    """Says which place is shown and lets a person go to another."""

    page_requested = Signal(str)
    """The name of the place that a person asked for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "sidebar")
        self.setFixedWidth(WIDTH)
        self.setAccessibleName("Places")
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(theme.S, theme.M, theme.S, theme.M)
        self._layout.setSpacing(theme.XS)
        self._layout.addStretch(1)

    def add(
        self, name: str, title: str, icon: str, shortcut: QKeySequence, *, foot: bool = False
    ) -> None:
        """Add a place below the ones there are, or at the foot."""
        button = QToolButton()
        theme.set_role(button, "page")
        button.setText(title)
        button.setCheckable(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        keys = shortcut.toString(QKeySequence.SequenceFormat.NativeText)
        button.setToolTip(f"{title} ({keys})" if keys else title)
        button.setAccessibleName(title)
        theme.set_icon(button, icon, "muted", checked="accent", side=24)
        button.clicked.connect(lambda: self.page_requested.emit(name))
        self._group.addButton(button)
        self._buttons[name] = button
        if foot:
            self._layout.addWidget(button)
        else:
            self._layout.insertWidget(self._stretch_index(), button)

    def set_current(self, name: str) -> None:
        """Mark the place called `name` as the one that is shown."""
        self._buttons[name].setChecked(True)

    def _stretch_index(self) -> int:
        return next(
            index
            for index in range(self._layout.count())
            if (item := self._layout.itemAt(index)) is not None and item.widget() is None
        )
