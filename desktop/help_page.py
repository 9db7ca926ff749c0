"""The sheet that `?` shows: the three steps, and every key."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.widgets.page_header import PageHeader
from serving.version import VERSION

_MAX_WIDTH = 680
_STEPS = (
    ("Classify", "Drop photos or folders. Each gets its best classes as bars."),
    (
        "Correct",
        "Say Yes, or type what a photo really shows; a new name makes a new class."
        " Select several photos to label them all at once.",
    ),
    (
        "Learn",
        "Go to Learn and press Learn now. The new version goes live on every instance;"
        " Classify again shows what it says.",
    ),
)
_KEYS = (
    ("Ctrl+1", "Classify"),
    ("Ctrl+2", "Fleet"),
    ("Ctrl+3", "Learn"),
    ("Ctrl+,", "Settings"),
    ("Ctrl+O", "Open photos"),
    ("Ctrl+Shift+O", "Open a folder of photos"),
    ("Ctrl+V", "Paste photos or a picture"),
    ("Ctrl+F", "Search"),
    ("1", "Label with the first class of the chart; 2 to 5 for the others"),
    ("Ctrl+Z", "Undo the last label"),
    ("Ctrl+R", "Classify the selected photos again"),
    ("Ctrl+A", "Select all photos"),
    ("Del", "Remove the selected photos from the gallery"),
    ("Ctrl+E", "Export the answers"),
    ("Esc", "Close a notice, or leave settings and help"),
    ("Ctrl+Q", "Quit"),
)


class HelpPage(QWidget):
    """What a person needs to know, on one page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        inner = QWidget()
        inner.setMaximumWidth(_MAX_WIDTH)
        column = QVBoxLayout(inner)
        column.setContentsMargins(theme.L, theme.S, theme.L, theme.L)
        column.setSpacing(theme.M)
        column.addWidget(_panel("How it goes", _STEPS, keys=False))
        column.addWidget(_panel("Keys", _KEYS, keys=True))
        column.addStretch(1)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setAlignment(Qt.AlignmentFlag.AlignLeft)
        area.setWidget(inner)
        inner.setAutoFillBackground(False)
        area.viewport().setAutoFillBackground(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(PageHeader("Help", f"Servery {VERSION}"))
        layout.addWidget(area, 1)
        self.setFocusProxy(area)


def _panel(title: str, rows: tuple[tuple[str, str], ...], *, keys: bool) -> QFrame:
    panel = QFrame()
    theme.set_role(panel, "panel")
    grid = QGridLayout(panel)
    grid.setContentsMargins(theme.L, theme.M, theme.L, theme.M)
    grid.setHorizontalSpacing(theme.XL)
    grid.setVerticalSpacing(theme.S)
    grid.setColumnStretch(1, 1)
    heading = QLabel(title)
    theme.set_role(heading, "heading")
    grid.addWidget(heading, 0, 0, 1, 2)
    for number, (left, right) in enumerate(rows, 1):
        text = QKeySequence(left).toString(QKeySequence.SequenceFormat.NativeText) if keys else left
        name, meaning = QLabel(text), QLabel(right)
        name.setMinimumWidth(96)
        if keys:
            theme.set_role(name, "mono")
        theme.set_role(meaning, "muted")
        meaning.setWordWrap(True)
        grid.addWidget(name, number, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(meaning, number, 1)
    return panel
