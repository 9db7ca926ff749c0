"""The timeline of versions and training runs, as a list that scrolls."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from desktop import theme
from desktop.formats import count
from desktop.learn.timeline import TimelineEntry
from desktop.learn.timeline_row import TimelineRow

INITIAL_ROWS = 30
"""Rows that are shown before a person asks for the older ones."""
_REFRESH_MILLISECONDS = 30_000


class TimelineList(QScrollArea):
    """Rows are kept for as long as their entry exists, so focus and place stay."""

    promote_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Versions and training runs")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._entries: Sequence[TimelineEntry] = ()
        self._live: int | None = None
        self._busy = False
        self._shown = INITIAL_ROWS
        self._rows: dict[str, TimelineRow] = {}
        self.older = QPushButton()
        theme.set_role(self.older, "quiet")
        self.older.clicked.connect(self._show_older)
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        self._layout = QVBoxLayout(inside)
        self._layout.setContentsMargins(0, 0, theme.M, theme.M)
        self._layout.setSpacing(0)
        self._layout.addWidget(self.older)
        self._layout.addStretch(1)
        self.setWidget(inside)
        self._clock = QTimer(self)
        self._clock.setInterval(_REFRESH_MILLISECONDS)
        self._clock.timeout.connect(self._refresh_times)
        self._clock.start()
        self.show_entries((), None, busy=False)

    @property
    def rows(self) -> list[TimelineRow]:
        """The rows on screen, newest first."""
        return [self._rows[entry.key] for entry in self._entries[: self._shown]]

    def show_entries(
        self, entries: Sequence[TimelineEntry], live: int | None, *, busy: bool
    ) -> None:
        """Show `entries`, newest first; `busy` while a version is being promoted."""
        self._entries, self._live, self._busy = entries, live, busy
        shown = entries[: self._shown]
        for key in self._rows.keys() - {entry.key for entry in shown}:
            row = self._rows.pop(key)
            row.hide()
            self._layout.removeWidget(row)
            row.deleteLater()
        for place, entry in enumerate(shown):
            row = self._row_at(place, entry)
            row.show_entry(entry, live, busy=busy, first=place == 0, last=place == len(entries) - 1)
        hidden = len(entries) - len(shown)
        self.older.setVisible(hidden > 0)
        self.older.setText(f"Show {count(hidden)} older")

    def _row_at(self, place: int, entry: TimelineEntry) -> TimelineRow:
        row = self._rows.get(entry.key)
        if row is None:
            row = self._rows[entry.key] = TimelineRow(entry, self.widget())
            row.promote_requested.connect(self.promote_requested)
            self._layout.insertWidget(place, row)
        elif self._layout.indexOf(row) != place:
            self._layout.removeWidget(row)
            self._layout.insertWidget(place, row)
        return row

    def _show_older(self) -> None:
        self._shown = len(self._entries)
        self.show_entries(self._entries, self._live, busy=self._busy)

    def _refresh_times(self) -> None:
        for row in self._rows.values():
            row.refresh_time()
