"""A page of text and controls that is as long as it has to be: settings, help."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLayout, QScrollArea, QWidget

from desktop import theme
from desktop.widgets import build
from desktop.widgets.focus import delegate_focus
from desktop.widgets.page_header import PageHeader
from desktop.widgets.wheel import leave_wheel_to_page

_MAX_WIDTH = 680


class ScrollPage(QWidget):
    """A header, and below it a column of panels that scrolls."""

    def __init__(self, title: str, sentence: str = "") -> None:
        super().__init__()
        inner = QWidget()
        inner.setMaximumWidth(_MAX_WIDTH)
        margins = (theme.L, theme.S, theme.L, theme.L)
        self._panels = build.column(None, parent=inner, spacing=theme.M, margins=margins)
        area = QScrollArea()
        area.setAccessibleName(title)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setAlignment(Qt.AlignmentFlag.AlignLeft)
        area.setWidget(inner)
        # The area would paint the palette's window colour over the page's background.
        inner.setAutoFillBackground(False)
        area.viewport().setAutoFillBackground(False)
        build.column(PageHeader(title, sentence), (area, 1), parent=self, spacing=0)
        delegate_focus(self, area)

    def add_panel(self, content: QLayout) -> None:
        """Put `content` into a frame below the others."""
        panel = QFrame()
        theme.set_role(panel, "panel")
        content.setContentsMargins(theme.L, theme.M, theme.L, theme.M)
        panel.setLayout(content)
        leave_wheel_to_page(panel)
        self._panels.insertWidget(self._panels.count() - 1, panel)
