"""The classes of the model that learns: their labels, and what can be done with each."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QMenu, QWidget

from backend.contract import ClassCount, LabelSummary
from desktop import theme
from desktop.learn import wording
from desktop.learn.class_name_strip import ClassNameStrip
from desktop.learn.label_files_menu import LabelFilesMenu
from desktop.learn.outlook_line import OutlookLine
from desktop.shortcuts import Shortcut, bind
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.class_bars import ClassBars
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.focus import delegate_focus
from desktop.widgets.page_body import CurrentStack
from desktop.widgets.search_field import SearchField

_BY_SHORTCUT = Qt.FocusReason.ShortcutFocusReason


class ClassesView(QWidget):
    """Labels by class as bars; a class is renamed, merged or deleted at once."""

    rename_requested = Signal(str, str)
    """A class and its new name; it is merged if another class has that."""
    delete_requested = Signal(str)
    label_requested = Signal()
    """Go to where photos are labelled."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: list[ClassCount] = []
        self.summary = ElidedLabel("", "muted")
        self.rename = build.button(
            tr("Rename"), tip=tr("Rename the selected class, or merge it (F2)")
        )
        self.delete = build.button(tr("Delete"), tip=tr("Delete the selected class (Del)"))
        self.files = LabelFilesMenu(self)
        self.search = SearchField(tr("Search the classes"))
        self.search.setToolTip(tr("Search (Ctrl+F)"))
        self.search.textChanged.connect(self._show_found)
        self.bars = ClassBars(selectable=True)
        self.strip = ClassNameStrip()
        self.outlook = OutlookLine()
        self.no_labels = EmptyState(
            "empty-learn",
            tr("No labels yet"),
            tr(
                "Say what photos show, one key each. A dozen of them are enough"
                " to teach a new class."
            ),
            tr("Label photos"),
        )
        self._body = CurrentStack()
        self._body.addWidget(self.no_labels)
        self._body.addWidget(self.bars)
        more = self.files.button()
        build.column(
            build.row((self.summary, 2), (self.search, 1), self.rename, self.delete, more),
            self.strip,
            self.outlook,
            (self._body, 1),
            parent=self,
            margins=(theme.L, theme.M, theme.L, theme.L),
        )
        delegate_focus(self, self.bars)
        rename = bind(Shortcut.RENAME_CLASS, self, self._open_strip, tr("Rename"))
        # Not in the search field, where the key deletes a letter.
        delete = bind(Shortcut.DELETE_CLASS, self.bars, self._delete, tr("Delete"))
        bind(Shortcut.SEARCH_CLASSES, self, lambda: self.search.setFocus(_BY_SHORTCUT))
        menu = QMenu(self.bars)
        menu.addActions([rename, delete])
        self.bars.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.bars.customContextMenuRequested.connect(
            lambda at: menu.popup(self.bars.viewport().mapToGlobal(at))
        )
        self.rename.clicked.connect(self._open_strip)
        self.delete.clicked.connect(self._delete)
        self.bars.selected.connect(self._on_selected)
        self.strip.renamed.connect(self.rename_requested)
        self.strip.closed.connect(lambda: self.bars.setFocus(Qt.FocusReason.OtherFocusReason))
        self.no_labels.action_requested.connect(self.label_requested)
        self._on_selected("")

    def show_labels(self, labels: LabelSummary) -> None:
        """Say how many labels there are."""
        self.summary.setText(wording.labels_sentence(labels))

    def show_classes(self, classes: list[ClassCount]) -> None:
        """Show every class that the live version or a label knows."""
        self._classes = classes
        self._show_found()

    def _show_found(self) -> None:
        text = self.search.text().strip().casefold()
        self.bars.show_counts([each for each in self._classes if text in each.name.casefold()])
        self._body.setCurrentIndex(1 if self._classes else 0)

    def _on_selected(self, name: str) -> None:
        self.rename.setEnabled(bool(name))
        self.delete.setEnabled(bool(name))
        if self.strip.isVisible():
            self.strip.close_strip()

    def _open_strip(self) -> None:
        if name := self.bars.selected_class:
            self.strip.open_for(name, {each.name: each.labels for each in self._classes})

    def _delete(self) -> None:
        if name := self.bars.selected_class:
            self.delete_requested.emit(name)
