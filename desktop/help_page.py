"""The sheet that `?` shows: how it goes, every key, and who made what is in it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeySequence, QShowEvent
from PySide6.QtWidgets import QGridLayout

from desktop import theme
from desktop.licences_panel import LicencesPanel
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.scroll_page import ScrollPage
from serving.models.builtin.catalog import built_in_models
from serving.version import LICENCE, VERSION

_STEPS = (
    ("Classify", "Drop photos or folders. Each gets its best classes as bars."),
    (
        "Correct",
        "Say Yes, or type what a photo really shows; a new name makes a new class."
        " Select several photos to label them all at once.",
    ),
    (
        "Learn",
        "Go to Learn: it shows next what teaches most, and what looks alike as a group. Press"
        " Learn now, and the new version goes live on every instance.",
    ),
    (
        "Your own model",
        "Drop a folder with one folder a class on Models. It learns them, shows how good it is,"
        " and answers once you press Use it.",
    ),
)
_KEYS = (
    ("Ctrl+1", "Classify"),
    ("Ctrl+2", "Learn"),
    ("Ctrl+3", "Models"),
    ("Ctrl+4", "Fleet"),
    ("Ctrl+,", "Settings"),
    ("Ctrl+O", "Open photos"),
    ("Ctrl+Shift+O", "Open a folder of photos; on Models, learn from one"),
    ("Ctrl+N", "New model (on Models)"),
    ("Enter", "Open the versions and the report of the selected model"),
    ("F2", "Rename the selected model; on Learn, the class"),
    ("Ctrl+V", "Paste photos or a picture"),
    ("Ctrl+F", "Search"),
    ("1", "Label with the first class of the chart; 2 to 5 for the others, on Learn 2 to 9"),
    ("0", "None of these classes"),
    ("Return", "On Learn, the class that is marked"),
    ("-", "On Learn, skip the photo; keep a doubtful label"),
    ("A", "On Learn, every letter begins to type a class, new or not; / does too"),
    ("Left", "On Learn, the photo before; Right the next; Alt+Left and Alt+Right for groups"),
    ("Space", "On Learn, the class that is marked; take a photo out of a group"),
    ("Ctrl+Z", "Undo the last label, and those of earlier days after it"),
    ("Ctrl+R", "Classify the selected photos again"),
    ("Ctrl+A", "Select all photos"),
    ("Del", "Remove the selected photos from the gallery; delete the model or class"),
    ("Ctrl+E", "Export the answers"),
    ("Esc", "Close a notice, or leave settings, help and one model"),
    ("Ctrl+Q", "Quit"),
)
_MAX_MEANING = 4000
"""Characters; notices are long, and nothing of them is left out."""


class HelpPage(ScrollPage):
    """What a person needs to know, on one page."""

    licences_requested = Signal()
    """The page is shown for the first time: to read the licences takes a moment."""

    def __init__(self) -> None:
        super().__init__("Help", f"Servery {VERSION}")
        self.add_panel(_table("How it goes", _STEPS))
        native = QKeySequence.SequenceFormat.NativeText
        keys = [(QKeySequence(keys).toString(native), meaning) for keys, meaning in _KEYS]
        self.add_panel(_table("Keys", keys, "mono"))
        self.add_panel(_table("About", _about()))
        self.licences = LicencesPanel()
        self.add_panel(self.licences)
        self._requested = False

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._requested:
            self._requested = True
            self.licences_requested.emit()


def _about() -> list[tuple[str, str]]:
    """Return what is in Servery that others made, each with its licence."""
    by_work: dict[str, list[str]] = {}
    for model in built_in_models():
        text = f"{model.attribution} Licensed under {model.licence}."
        by_work.setdefault(text, []).append(model.title)
    models = [("\n".join(titles), text) for text, titles in by_work.items()]
    return [("Servery", f"Version {VERSION}, licensed under {LICENCE}."), *models]


def _table(title: str, rows: Sequence[tuple[str, str]], role: str = "") -> QGridLayout:
    """Return a heading and below it two columns, the left one in `role`."""
    grid = QGridLayout()
    grid.setHorizontalSpacing(theme.XL)
    grid.setVerticalSpacing(theme.S)
    grid.setColumnStretch(1, 1)
    grid.addWidget(PlainLabel(title, "heading"), 0, 0, 1, 2)
    for number, (name, meaning) in enumerate(rows, 1):
        names = [PlainLabel(line, role) for line in name.split("\n")]
        names[0].setMinimumWidth(96)
        grid.addLayout(build.column(*names, None, spacing=0), number, 0)
        right = PlainLabel(meaning, "muted", wrap=True, limit=_MAX_MEANING, lines=40)
        grid.addWidget(right, number, 1)
    return grid
