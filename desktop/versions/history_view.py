"""What was done to the versions of a model, when, by whom and by which rule."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from backend.contract import AuditEntry
from desktop import theme
from desktop.moments import moment_in_full
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions import wording
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import tooltip


class HistoryView(QScrollArea):
    """Shows AuditEntries, the newest first."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("History"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._entries: Sequence[AuditEntry] = ()
        self._rows: list[_Row] = []
        self.note = PlainLabel(tr("Nothing was done to a version yet."), "muted", wrap=True)
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        self._column = build.column(
            self.note, None, parent=inside, margins=(theme.L, theme.M, theme.L, theme.L)
        )
        self.setWidget(inside)

    @property
    def texts(self) -> list[str]:
        """What is shown, one text an entry."""
        return [row.text.text() for row in self._rows[: len(self._entries)]]

    def show_entries(self, entries: Sequence[AuditEntry]) -> None:
        self._entries = entries
        self.note.setVisible(not entries)
        while len(self._rows) < len(entries):
            row = _Row()
            self._rows.append(row)
            self._column.insertWidget(self._column.count() - 1, row)
        for index, row in enumerate(self._rows):
            row.setVisible(index < len(entries))
            if index < len(entries):
                row.show_entry(entries[index])


class _Row(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.text = PlainLabel(wrap=True, selectable=True)
        self._facts = PlainLabel(role="small")
        build.column(
            self.text, self._facts, parent=self, spacing=2, margins=(0, theme.XS, 0, theme.XS)
        )

    def show_entry(self, entry: AuditEntry) -> None:
        self.text.setText(translated(entry.text))
        self._facts.setText(wording.audit_facts(entry))
        self._facts.setToolTip(tooltip(moment_in_full(entry.when)))
