"""A training run on the timeline that made no version."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.formats import capitalized
from desktop.moments import ago, moment_in_full
from desktop.translation import tr
from desktop.versions import wording
from desktop.versions.timeline import TimelineEntry
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import tooltip
from desktop.widgets.timeline_rail import TimelineRail


class RunRow(QWidget):
    """Says how the run of a TimelineEntry ended."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._when = ""
        self._rail = TimelineRail(theme.M + 3)
        self.heading = PlainLabel(tr("Training run"), "heading")
        self.state = PlainLabel()
        self.outcome = PlainLabel(role="muted", wrap=True, selectable=True)
        self.facts = PlainLabel(role="small")
        words = build.column(
            build.row(self.heading, self.state, None),
            self.outcome,
            self.facts,
            spacing=theme.XS,
            margins=(0, theme.M, theme.S, theme.M),
        )
        build.row(self._rail, (words, 1), parent=self, spacing=theme.S, margins=(theme.S, 0, 0, 0))

    def show_entry(self, entry: TimelineEntry, *, first: bool, last: bool) -> None:
        assert entry.run is not None
        state = str(entry.run.state)
        word = wording.RUN_STATES[entry.run.state]
        self.state.setText(capitalized(word))
        theme.set_role(self.state, f"state {theme.state_mark(state).token}")
        self.outcome.setText(wording.run_sentence(entry.run))
        self._when = entry.when
        self.refresh_time()
        self._rail.show_mark(state, first=first, last=last)
        self.setAccessibleName(
            tr("Training run, {state}, {text}", state=word, text=self.outcome.text())
        )

    def refresh_time(self) -> None:
        self.facts.setText(ago(self._when))
        self.facts.setToolTip(tooltip(moment_in_full(self._when)))
