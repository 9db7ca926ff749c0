"""The classes of the model that learns: their labels, and what can be done with each."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QStackedWidget, QWidget

from backend.contract import ClassCount, LabelSummary
from desktop import theme
from desktop.learn import wording
from desktop.learn.class_name_strip import ClassNameStrip
from desktop.learn.outlook_line import OutlookLine
from desktop.widgets import build
from desktop.widgets.class_bars import ClassBars
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.search_field import SearchField


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
        self.rename = build.button("Rename", tip="Rename the selected class, or merge it (F2)")
        self.delete = build.button("Delete", tip="Delete the selected class (Del)")
        self.search = SearchField("Search the classes")
        self.search.textChanged.connect(self._show_found)
        self.bars = ClassBars(selectable=True)
        self.strip = ClassNameStrip()
        self.outlook = OutlookLine()
        self.no_labels = EmptyState(
            "empty-learn",
            "No labels yet",
            "Say what photos show, one key each. A dozen of them are enough to teach a new class.",
            "Label photos",
        )
        self._body = QStackedWidget()
        self._body.addWidget(self.no_labels)
        self._body.addWidget(self.bars)
        build.column(
            build.row((self.summary, 2), (self.search, 1), self.rename, self.delete),
            self.strip,
            self.outlook,
            (self._body, 1),
            parent=self,
            margins=(theme.L, theme.M, theme.L, theme.L),
        )
        self.setFocusProxy(self.bars)
        rename = self._action("Rename", "F2", self._open_strip)
        delete = self._action("Delete", QKeySequence.StandardKey.Delete, self._delete)
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

    def _action(
        self, text: str, keys: QKeySequence.StandardKey | str, act: Callable[[], object]
    ) -> QAction:
        action = QAction(text, self.bars)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(lambda: act())
        self.bars.addAction(action)
        return action

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
