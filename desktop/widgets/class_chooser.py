"""A field for the class that a photo shows: one that is known, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtWidgets import (
    QCompleter,
    QLineEdit,
    QListView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from desktop import theme
from desktop.known_classes import ClassMatch, KnownClasses
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line
from serving.class_names import MAX_CLASS_NAME, ClassNameError, checked_class_name

_OTHER = Qt.ItemDataRole.UserRole + 1
_ROOT = QModelIndex()


class ClassChooser(QWidget):
    """A field that offers the known classes as one types and takes any other name too."""

    label_requested = Signal(str)
    """The name of a class, as `checked_class_name` returns it."""

    def __init__(self) -> None:
        super().__init__()
        self._known = KnownClasses()
        self._taken = ""
        """What was taken since something was typed last."""
        self.field = QLineEdit()
        self.field.setPlaceholderText("Other class…")
        self.field.setAccessibleName("Class that the photo shows")
        self.field.setMaxLength(MAX_CLASS_NAME)
        self.field.setClearButtonEnabled(False)
        self.matches = _MatchModel()
        completer = QCompleter(self.matches, self)
        # Qt would search all classes in their order; here the likeliest comes first.
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        completer.activated.connect(self._take_offered)
        offered = QListView()
        theme.set_role(offered, "popup")
        completer.setPopup(offered)
        offered.setItemDelegate(_MatchDelegate(completer))
        self.field.setCompleter(completer)
        self.button = build.button("Label")
        self.hint = PlainLabel("", "small", wrap=True)
        line = build.row((self.field, 1), self.button)
        build.column(line, self.hint, parent=self, spacing=theme.XS)
        # Before the completer opens, which happens after this signal.
        self.field.textEdited.connect(self._find)
        self.field.textChanged.connect(self._explain)
        self.field.returnPressed.connect(lambda: self._take(self.field.text()))
        self.button.clicked.connect(lambda: self._take(self.field.text()))
        self._explain("")

    @property
    def known(self) -> KnownClasses:
        """The classes that are offered."""
        return self._known

    def set_classes(self, known: KnownClasses) -> None:
        """Offer `known` as one types."""
        if known is not self._known:
            self._known = known
            self._explain(self.field.text())

    def _find(self, text: str) -> None:
        self._taken = ""
        self.matches.show_matches(self._known.find(text))

    def _take(self, text: str) -> None:
        try:
            name = checked_class_name(text)
        except ClassNameError:
            return  # the hint says why
        self._taken = name
        self.field.clear()
        self.label_requested.emit(self._known.spelled(name))

    def _take_offered(self, name: str) -> None:
        # After Enter the field has taken it already: Qt passes the key on to the field, too.
        if name != self._taken:
            self._take(name)
        # The field writes the name into itself after this.
        QTimer.singleShot(0, self.field.clear)

    def _explain(self, text: str) -> None:
        self.button.setEnabled(False)
        if not text.strip():
            self.hint.setText(" ")
            return
        try:
            name = checked_class_name(text)
        except ClassNameError as error:
            self.hint.setText(str(error))
            return
        self.button.setEnabled(True)
        meant = self._known.named(name)
        if meant is not None and meant.casefold() != name.casefold():
            self.hint.setText(
                f"“{name}” is another name of {meant}: choose that in the list, or label it as a"
                " class of its own."
            )
        elif meant is None and not self._known.find(name):
            self.hint.setText(f"“{name}” is a new class; the next training learns it.")
        else:
            self.hint.setText(" ")


class _MatchModel(QAbstractListModel):
    """The classes that the text in the field may mean."""

    def __init__(self) -> None:
        super().__init__()
        self._matches: Sequence[ClassMatch] = ()

    def show_matches(self, matches: Sequence[ClassMatch]) -> None:
        self.beginResetModel()
        self._matches = matches
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._matches)

    def data(
        self,
        index: QModelIndex | QPersistentModelIndex,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        match = self._matches[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return one_line(match.name)
        if role == Qt.ItemDataRole.EditRole:  # what the field takes over
            return match.name
        return match.other if role == _OTHER else None


class _MatchDelegate(QStyledItemDelegate):
    """Shows behind a class the other name that was found."""

    def initStyleOption(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        if other := index.data(_OTHER):
            option.text = f"{index.data()} ({one_line(other)})"
