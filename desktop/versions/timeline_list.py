"""The timeline of versions and training runs, as a list that scrolls."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from backend.contract import ModelSummary, VersionSummary
from desktop import theme
from desktop.formats import count
from desktop.translation import tr
from desktop.versions.run_row import RunRow
from desktop.versions.timeline import TimelineEntry
from desktop.versions.version_row import VersionRow
from desktop.widgets import build

INITIAL_ROWS = 30
"""Rows that are shown until a person asks for the older ones."""
_REFRESH_MILLISECONDS = 30_000
_MIN_WIDTH, _MAX_WIDTH = 232, 420


class TimelineList(QScrollArea):
    """Rows are kept for as long as their entry exists, so focus and position stay."""

    row_made = Signal(VersionRow)
    """Its signals can be connected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Versions and training runs"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its rows have the focus, and scroll it
        self._entries: Sequence[TimelineEntry] = ()
        self._shown = INITIAL_ROWS
        self._rows: dict[str, VersionRow | RunRow] = {}
        self.older = build.button("", role="quiet")
        self.older.clicked.connect(self._show_older)
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        self._column = build.column(
            self.older, None, parent=inside, spacing=0, margins=(theme.M, 0, theme.S, theme.M)
        )
        self.setWidget(inside)
        self.setMinimumWidth(_MIN_WIDTH)
        self._clock = QTimer(self)
        self._clock.setInterval(_REFRESH_MILLISECONDS)
        self._clock.timeout.connect(self._refresh_times)
        self._clock.start()
        self._model: ModelSummary | None = None
        self._selected: int | None = None
        self._busy = False
        self._show_rows()

    @property
    def rows(self) -> list[VersionRow | RunRow]:
        """The rows on screen, newest first."""
        return [self._rows[entry.key] for entry in self._entries[: self._shown]]

    @property
    def versions(self) -> list[VersionRow]:
        """Those of them that are about versions."""
        return [row for row in self.rows if isinstance(row, VersionRow)]

    def show_entries(
        self,
        entries: Sequence[TimelineEntry],
        model: ModelSummary | None,
        selected: int | None,
        *,
        busy: bool,
    ) -> None:
        """Show `entries` of `model`, newest first; `busy` while a version is being promoted."""
        if (model.name if model else "") != (self._model.name if self._model else ""):
            self._shown = INITIAL_ROWS
        self._entries, self._model = entries, model
        self._selected, self._busy = selected, busy
        self._show_rows()

    def _show_rows(self) -> None:
        shown = self._entries[: self._shown]
        for key in self._rows.keys() - {entry.key for entry in shown}:
            row = self._rows.pop(key)
            row.hide()
            self._column.removeWidget(row)
            row.deleteLater()
        by_number = {each.version.number: each.version for each in self._entries if each.version}
        for index, entry in enumerate(shown):
            first, last = index == 0, index == len(self._entries) - 1
            self._show_row(self._row_at(index, entry), entry, by_number, first=first, last=last)
        hidden = len(self._entries) - len(shown)
        self.older.setVisible(hidden > 0)
        self.older.setText(tr("Show {count} older", count=count(hidden)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        handled = super().eventFilter(watched, event)
        inside = self.widget()
        if inside is watched and event.type() == QEvent.Type.LayoutRequest:
            # The buttons of the rows are wider in some languages, and nothing scrolls sideways.
            bar = self.verticalScrollBar().sizeHint().width()
            needed = inside.minimumSizeHint().width() + bar
            self.setMinimumWidth(max(_MIN_WIDTH, needed))
            self.setMaximumWidth(max(_MAX_WIDTH, needed))
        return handled

    def _show_row(
        self,
        row: VersionRow | RunRow,
        entry: TimelineEntry,
        by_number: dict[int, VersionSummary],
        *,
        first: bool,
        last: bool,
    ) -> None:
        if isinstance(row, RunRow):
            row.show_entry(entry, first=first, last=last)
            return
        assert entry.version is not None
        model, version = self._model, entry.version
        row.show_entry(
            entry,
            # One that was not learned here began with what the row says.
            by_number.get(version.base_version) if version.base_version else None,
            model.live_version if model is not None else None,
            canary=model.canary if model is not None else None,
            selected=version.number == self._selected,
            busy=self._busy,
            first=first,
            last=last,
        )

    def _row_at(self, index: int, entry: TimelineEntry) -> VersionRow | RunRow:
        row = self._rows.get(entry.key)
        if row is None:
            if entry.version is not None:
                row = VersionRow(entry.version)
                self.row_made.emit(row)
            else:
                row = RunRow()
            self._rows[entry.key] = row
            self._column.insertWidget(index, row)
        elif self._column.indexOf(row) != index:
            self._column.removeWidget(row)
            self._column.insertWidget(index, row)
        return row

    def _show_older(self) -> None:
        self._shown = len(self._entries)
        self._show_rows()

    def _refresh_times(self) -> None:
        for row in self._rows.values():
            row.refresh_time()
