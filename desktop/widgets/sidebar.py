"""The rail at the left: a button for each page, settings and help at its foot."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton

from desktop import theme
from desktop.translation import tr
from desktop.widgets import build, plain_text

MIN_WIDTH = 80


class Sidebar(QFrame):
    """Says which page is shown and lets a person go to another; as wide as its longest name."""

    page_requested = Signal(str)
    """The name of a page."""

    def __init__(self) -> None:
        super().__init__()
        theme.set_role(self, "sidebar")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.setAccessibleName(tr("Pages"))
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        margins = (theme.S, theme.M, theme.S, theme.M)
        self._top, self._foot = build.column(spacing=theme.XS), build.column(spacing=theme.XS)
        build.column(self._top, None, self._foot, parent=self, spacing=0, margins=margins)

    def add(self, name: str, title: str, icon: str, keys: str, *, foot: bool = False) -> None:
        """Add a page below the others, or at the foot; `keys` show it too, for the tooltip."""
        button = QToolButton()
        theme.set_role(button, "page")
        button.setText(plain_text.caption(title))
        button.setCheckable(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setMinimumWidth(MIN_WIDTH - 2 * theme.S)
        button.setToolTip(plain_text.tooltip(f"{title} ({keys})" if keys else title))
        button.setAccessibleName(title)
        theme.set_icon(button, icon, "muted", checked="accent", side=24)
        button.clicked.connect(lambda: self.page_requested.emit(name))
        self._group.addButton(button)
        self._buttons[name] = button
        (self._foot if foot else self._top).addWidget(button)

    def set_current(self, name: str) -> None:
        """Mark the page called `name` as the one that is shown."""
        self._buttons[name].setChecked(True)
