"""The sheet that `?` shows: how it goes, every key, and who made what is in it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QFontMetrics, QShowEvent
from PySide6.QtWidgets import QGridLayout

from desktop import theme
from desktop.licences_panel import LicencesPanel
from desktop.shortcuts import Context, Shortcut
from desktop.translation import tr
from desktop.widgets import build, plain_text
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.scroll_page import ScrollPage
from serving.models.builtin.catalog import built_in_models
from serving.version import LICENCE, VERSION

_STEPS = (
    (tr("Classify"), tr("Drop photos or folders. Each gets its best classes as bars.")),
    (
        tr("Correct"),
        tr(
            "Say Yes, or type what a photo really shows; a new name makes a new"
            " class. Select several photos to label them all at once."
        ),
    ),
    (
        tr("Learn"),
        tr(
            "Go to Learn: it shows next what teaches most, and what looks alike"
            " as a group. Press Learn now, and the new version goes live on"
            " every instance."
        ),
    ),
    (
        tr("Your own model"),
        tr(
            "Drop a folder with one folder a class on Models. It learns them,"
            " shows how good it is, and answers once you press Use it."
        ),
    ),
)
_KEYS = {
    Context.WINDOW: tr("Keys: everywhere"),
    Context.CLASSIFY: tr("Keys: on Classify"),
    Context.MAP: tr("Keys: on Classify, the map"),
    Context.LARGE_PHOTO: tr("Keys: on Classify, the photo shown large"),
    Context.LEARN: tr("Keys: on Learn"),
    Context.LABELLING: tr("Keys: on Learn, where photos are labelled"),
    Context.CLASSES: tr("Keys: on Learn, the classes"),
    Context.MODELS: tr("Keys: on Models"),
    Context.ONE_MODEL: tr("Keys: on Models, one model"),
    Context.LOG: tr("Keys: on Fleet, the log"),
}
"""The headings of the tables of keys."""
_DIAGNOSTICS = tr(
    "For a bug report: versions, engine, settings and where errors came"
    " from. No photo, path or name is in it."
)
_MAX_MEANING = 4000
"""Characters; notices are long, and nothing of them is left out."""


class HelpPage(ScrollPage):
    """What a person needs to know, on one page."""

    licences_requested = Signal()
    """The page is shown for the first time: to read the licences takes a moment."""
    first_steps_requested = Signal()
    diagnostics_requested = Signal()
    """What a bug report needs is to be put on the clipboard."""

    def __init__(self) -> None:
        super().__init__(tr("Help"), f"Servery {VERSION}")
        how = _table(tr("How it goes"), _STEPS)
        self.steps = build.button(tr("Show the first steps"))
        self.steps.clicked.connect(self.first_steps_requested)
        how.addLayout(build.row(self.steps, None), how.rowCount(), 0, 1, 2)
        self.add_panel(how)
        metrics = QFontMetrics(theme.monospace())
        # One width for all tables, so that what the keys do stands in one column.
        keys_width = max(metrics.horizontalAdvance(each.text) for each in Shortcut)
        for context in Context:
            keys = [(each.text, each.meaning) for each in Shortcut if each.context is context]
            self.add_panel(_table(_KEYS[context], keys, "mono", keys_width))
        about = _table(tr("About"), _about())
        self.copy = build.button(tr("Copy diagnostics"), "copy")
        self.copy.setToolTip(plain_text.tooltip(_DIAGNOSTICS))
        self.copy.setAccessibleDescription(_DIAGNOSTICS)
        self.copy.clicked.connect(self.diagnostics_requested)
        what = PlainLabel(_DIAGNOSTICS, "muted", wrap=True)
        about.addLayout(build.row((what, 1), self.copy, spacing=theme.L), about.rowCount(), 0, 1, 2)
        self.add_panel(about)
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
        text = tr(
            "{attribution} Licensed under {licence}.",
            attribution=model.attribution,
            licence=model.licence,
        )
        by_work.setdefault(text, []).append(model.title)
    models = [("\n".join(titles), text) for text, titles in by_work.items()]
    return [
        (
            "Servery",
            tr("Version {version}, licensed under {licence}.", version=VERSION, licence=LICENCE),
        ),
        *models,
    ]


def _table(
    title: str, rows: Sequence[tuple[str, str]], role: str = "", width: int = 96
) -> QGridLayout:
    """Return a heading and below it two columns, the left one in `role` and at least so wide."""
    grid = QGridLayout()
    grid.setHorizontalSpacing(theme.XL)
    grid.setVerticalSpacing(theme.S)
    grid.setColumnStretch(1, 1)
    grid.addWidget(PlainLabel(title, "heading"), 0, 0, 1, 2)
    for number, (name, meaning) in enumerate(rows, 1):
        names = [PlainLabel(line, role) for line in name.split("\n")]
        names[0].setMinimumWidth(width)
        grid.addLayout(build.column(*names, None, spacing=0), number, 0)
        right = PlainLabel(meaning, "muted", wrap=True, limit=_MAX_MEANING, lines=40)
        grid.addWidget(right, number, 1)
    return grid
