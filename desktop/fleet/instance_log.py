"""The log of an instance: followed, searched, saved."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import (
    QKeyEvent,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import (
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QToolButton,
    QWidget,
)

from desktop import theme
from desktop.fleet.log_lines import new_lines
from desktop.formats import count, plural
from desktop.shortcuts import Shortcut, bind
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import FileDialog
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line
from desktop.widgets.timers import single_shot_timer

_NOTHING_PRINTED = tr("Nothing has been printed yet.")
MAX_LINES = 10_000
MAX_LINE_LENGTH = 4_000
"""Characters of a line that are shown."""
MAX_HIGHLIGHTS = 1_000
_MIN_HEIGHT = 90
"""Pixels of the text: four lines."""
SEARCH_DEBOUNCE_MILLISECONDS = 150
"""Milliseconds after the last key before the log is searched."""


class _Search(QLineEdit):
    """Enter goes to the next hit, Shift+Enter to the one before, Escape clears."""

    stepped = Signal(bool)
    """Whether backwards."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        back = Shortcut.FORMER_HIT.matches(event)
        if back or Shortcut.NEXT_HIT.matches(event):
            self.stepped.emit(back)
        elif event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)


class InstanceLog(QWidget):
    """The log of one instance. It follows the end until a person scrolls away from it."""

    save_requested = Signal(str, str)
    """Path and text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._instance_id: str | None = None
        self._lines: list[str] = []
        self._hits: list[QTextCursor] = []

        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setMaximumBlockCount(MAX_LINES)
        self.text.setUndoRedoEnabled(False)
        self.text.setFont(theme.monospace(theme.Size.SMALL))
        self.text.setAccessibleName(tr("Log"))
        # Emitted for what a person does to the bar, and not when new lines move it.
        self.text.verticalScrollBar().actionTriggered.connect(self._on_scrolled)
        self.text.selectionChanged.connect(self._on_selection_changed)

        self.search = _Search()
        self.search.setPlaceholderText(tr("Search"))
        self.search.setAccessibleName(tr("Search the log"))
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(260)
        self.search.stepped.connect(self._step)
        self._search_timer = single_shot_timer(SEARCH_DEBOUNCE_MILLISECONDS, self._find, self)
        self.search.textChanged.connect(self._search_timer.start)
        self.hits = PlainLabel(role="small")
        self.hits.hide()

        self.follow = QToolButton()
        self.follow.setText(tr("Follow"))
        self.follow.setCheckable(True)
        self.follow.setChecked(True)
        self.follow.setAccessibleName(tr("Follow the end of the log"))
        self.follow.setToolTip(tr("Keep the newest line in view"))
        self.follow.toggled.connect(self._scroll_if_following)
        self.save = QToolButton()
        theme.set_icon(self.save, "export")
        self.save.setAccessibleName(tr("Save the log"))
        self.save.setToolTip(tr("Save the log…"))
        self.save.clicked.connect(self._open_save_dialog)

        bar = build.row(
            PlainLabel(tr("Log"), "heading"),
            None,
            self.hits,
            (self.search, 2),
            self.follow,
            self.save,
        )
        build.column(bar, (self.text, 1), parent=self)
        # The style sheet's minimum height of the text is that of a line.
        self.setMinimumHeight(bar.sizeHint().height() + theme.S + _MIN_HEIGHT)
        bind(Shortcut.SEARCH_LOG, self, self.search.setFocus)

    def show_instance(self, instance_id: str | None, *, kept_elsewhere: bool = False) -> None:
        """Begin with an empty log, unless that instance is shown already."""
        if instance_id == self._instance_id:
            return
        self._instance_id = instance_id
        self._replace([])
        self.follow.setChecked(True)
        nothing = tr("Its log is kept where it runs.") if kept_elsewhere else _NOTHING_PRINTED
        self.text.setPlaceholderText(nothing if instance_id else "")
        self.save.setEnabled(instance_id is not None and not kept_elsewhere)

    def show_latest(self, instance_id: str, latest: list[str]) -> None:
        """Show the last lines of an instance's log; those of another one are dropped."""
        if instance_id != self._instance_id:
            return
        added = new_lines(self._lines, latest)
        if added is None:
            self._replace(latest)
        else:
            self.add(instance_id, added)

    def add(self, instance_id: str, new: list[str]) -> None:
        """Append what an instance printed since; lines of another one are dropped."""
        if instance_id != self._instance_id or not new:
            return
        self._lines = (self._lines + new)[-MAX_LINES:]
        self.text.appendPlainText(_shown(new))
        if self.search.text():
            self._highlight()
        self._scroll_if_following()

    def _replace(self, lines: list[str]) -> None:
        self._lines = lines[-MAX_LINES:]
        self._hits = []
        self.text.setPlainText(_shown(self._lines))
        self._highlight()
        self._scroll_if_following()

    def _scroll_if_following(self) -> None:
        if self.follow.isChecked():
            bar = self.text.verticalScrollBar()
            bar.setValue(bar.maximum())
            self.text.horizontalScrollBar().setValue(0)

    def _on_scrolled(self) -> None:
        bar = self.text.verticalScrollBar()
        # The position that the bar is about to take; value() is still the old one.
        self.follow.setChecked(bar.sliderPosition() >= bar.maximum())

    def _on_selection_changed(self) -> None:
        """Stop following: what a person selects must not move away under the pointer."""
        if self.text.textCursor().hasSelection():
            self.follow.setChecked(False)

    def _find(self) -> None:
        self._highlight()
        if self._hits:
            self._go_to(len(self._hits) - 1)

    def _step(self, backwards: bool) -> None:
        if self._search_timer.isActive():
            self._search_timer.stop()
            self._highlight()
        if not self._hits:
            return
        here = self.text.textCursor().selectionStart()
        starts = [hit.selectionStart() for hit in self._hits]
        if backwards:
            before = [index for index, start in enumerate(starts) if start < here]
            self._go_to(before[-1] if before else len(starts) - 1)
        else:
            after = [index for index, start in enumerate(starts) if start > here]
            self._go_to(after[0] if after else 0)

    def _go_to(self, index: int) -> None:
        self.follow.setChecked(False)
        self.text.setTextCursor(self._hits[index])
        self.text.centerCursor()
        self._show_hits(
            tr("{number} of {count}", number=count(index + 1), count=count(len(self._hits)))
        )

    def _highlight(self) -> None:
        searched = self.search.text()
        self._hits = _occurrences(self.text.document(), searched) if searched else []
        highlights = []
        highlight_format = QTextCharFormat()
        highlight_format.setBackground(theme.color("accent_soft"))
        highlight_format.setForeground(theme.color("text"))
        for hit in self._hits[-MAX_HIGHLIGHTS:]:
            highlight = QTextEdit.ExtraSelection()
            highlight.cursor, highlight.format = hit, highlight_format
            highlights.append(highlight)
        self.text.setExtraSelections(highlights)
        self._show_hits(
            plural(len(self._hits), "hit") if self._hits else tr("No hit") if searched else ""
        )

    def _show_hits(self, words: str) -> None:
        self.hits.setText(words)
        self.hits.setVisible(bool(words))  # without words it would take room from the search

    def _open_save_dialog(self) -> None:
        dialog = FileDialog(self, tr("Save the log"), f"{self._instance_id}.log")
        dialog.setAcceptMode(FileDialog.AcceptMode.AcceptSave)
        dialog.fileSelected.connect(
            lambda path: self.save_requested.emit(path, "\n".join(self._lines) + "\n")
        )
        dialog.open()


def _shown(lines: list[str]) -> str:
    """Return the lines as they are shown; what is saved has them as they were printed."""
    return "\n".join(one_line(line, MAX_LINE_LENGTH) for line in lines)


def _occurrences(document: QTextDocument, text: str) -> list[QTextCursor]:
    found = []
    cursor = document.find(text)
    while not cursor.isNull():
        found.append(cursor)
        cursor = document.find(text, cursor)
    return found
