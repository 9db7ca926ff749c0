"""The classes of the model that learns: their labels, and what can be done with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMessageBox, QStackedWidget, QWidget

from backend.contract import LabelSummary
from desktop import theme
from desktop.formats import plural
from desktop.learn import wording
from desktop.learn.class_name_strip import ClassNameStrip
from desktop.learn.outlook_line import OutlookLine
from desktop.widgets import build
from desktop.widgets.class_bars import ClassBars
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.question import Question


class ClassesView(QWidget):
    """Labels by class as bars; a class is renamed, merged or deleted at once."""

    rename_requested = Signal(str, str)
    """A class and its new name; it is merged if another class has that."""
    delete_requested = Signal(str)
    label_requested = Signal()
    """Go to where photos are labelled."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: Mapping[str, int] = {}
        self.summary = ElidedLabel("", "muted")
        self.rename = build.button("Rename", tip="Rename the selected class, or merge it (F2)")
        self.delete = build.button("Delete", tip="Delete the selected class (Del)")
        theme.set_role(self.delete, "danger")
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
            build.row((self.summary, 1), self.rename, self.delete),
            self.strip,
            self.outlook,
            (self._body, 1),
            parent=self,
            margins=(theme.L, theme.M, theme.L, theme.L),
        )
        self.setFocusProxy(self.bars)
        rename = self._action("Rename", "F2", self._open_strip)
        delete = self._action("Delete", QKeySequence.StandardKey.Delete, self._ask_delete)
        menu = QMenu(self.bars)
        menu.addActions([rename, delete])
        self.bars.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.bars.customContextMenuRequested.connect(
            lambda at: menu.popup(self.bars.viewport().mapToGlobal(at))
        )
        self.rename.clicked.connect(self._open_strip)
        self.delete.clicked.connect(self._ask_delete)
        self.bars.selected.connect(self._on_selected)
        self.strip.renamed.connect(self.rename_requested)
        self.strip.closed.connect(lambda: self.bars.setFocus(Qt.FocusReason.OtherFocusReason))
        self.no_labels.action_requested.connect(self.label_requested)
        self._on_selected("")

    def show_labels(self, labels: LabelSummary) -> None:
        self._labels = {each.name: each.labels for each in labels.classes}
        self.summary.setText(wording.labels_sentence(labels))
        self.bars.show_counts(labels.classes)
        self._body.setCurrentIndex(1 if labels.total else 0)

    def _action(
        self, text: str, keys: QKeySequence.StandardKey | str, act: Callable[[], object]
    ) -> QAction:
        action = QAction(text, self.bars)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(lambda: act())
        self.bars.addAction(action)
        return action

    def offer_changes(self, offer: bool) -> None:
        for widget in (self.rename, self.delete):
            widget.setVisible(offer)

    def _on_selected(self, name: str) -> None:
        self.rename.setEnabled(bool(name))
        self.delete.setEnabled(bool(name))
        if self.strip.isVisible():
            self.strip.close_strip()

    def _open_strip(self) -> None:
        if name := self.bars.selected_class:
            self.strip.open_for(name, self._labels)

    def _ask_delete(self) -> None:
        name = self.bars.selected_class
        if not name:
            return
        labels = plural(self._labels.get(name, 0), "label")
        question = Question(
            self,
            "Delete a class",
            f"Delete the class {name}?",
            f"Its {labels} are deleted with it, which cannot be undone. The photos stay, without"
            " a label.",
        )
        apply = question.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        theme.set_role(apply, "danger")
        question.addButton(QMessageBox.StandardButton.Cancel)
        apply.clicked.connect(lambda: self.delete_requested.emit(name))
        question.open()
