"""The timeline of versions and training runs, as a list that scrolls."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from desktop import theme
from desktop.formats import count
from desktop.learn.timeline import TimelineEntry
from desktop.learn.timeline_row import TimelineRow
from desktop.widgets import build

INITIAL_ROWS = 30
"""Rows that are shown until a person asks for the older ones."""
_REFRESH_MILLISECONDS = 30_000


class TimelineList(QScrollArea):
    """Rows are kept for as long as their entry exists, so focus and position stay."""

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
        self.older = build.button("", role="quiet")
        self.older.clicked.connect(self._show_older)
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        self._layout = build.column(
            self.older, None, parent=inside, spacing=0, margins=(0, 0, theme.M, theme.M)
        )
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
        for index, entry in enumerate(shown):
            row = self._row_at(index, entry)
            row.show_entry(entry, live, busy=busy, first=index == 0, last=index == len(entries) - 1)
        hidden = len(entries) - len(shown)
        self.older.setVisible(hidden > 0)
        self.older.setText(f"Show {count(hidden)} older")

    def _row_at(self, index: int, entry: TimelineEntry) -> TimelineRow:
        row = self._rows.get(entry.key)
        if row is None:
            row = self._rows[entry.key] = TimelineRow(entry, self.widget())
            row.promote_requested.connect(self.promote_requested)
            self._layout.insertWidget(index, row)
        elif self._layout.indexOf(row) != index:
            self._layout.removeWidget(row)
            self._layout.insertWidget(index, row)
        return row

    def _show_older(self) -> None:
        self._shown = len(self._entries)
        self.show_entries(self._entries, self._live, busy=self._busy)

    def _refresh_times(self) -> None:
        for row in self._rows.values():
            row.refresh_time()
