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
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from desktop import theme
from desktop.known_classes import ClassMatch, KnownClasses
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line, tooltip
from serving.class_names import MAX_CLASS_NAME, ClassNameError, checked_class_name

_OTHER = Qt.ItemDataRole.UserRole + 1
_ROOT = QModelIndex()


class ClassChooser(QWidget):
    """A field that offers the known classes as one types, and a new one of that name.

    Enter and the button take the row that is marked, which is the first unless the arrow keys
    have moved to another one.
    """

    label_requested = Signal(str)
    """The name of a class, as `checked_class_name` returns it."""

    def __init__(self) -> None:
        super().__init__()
        self._known = KnownClasses()
        self._taken = ""
        """What was taken since something was typed last."""
        self._moved_to = ""
        """The current row of the list, by its name: the first, unless the arrow keys moved on."""
        self.field = QLineEdit()
        self.field.setPlaceholderText(tr("Other class, or a new one"))
        self.field.setAccessibleName(tr("Class that the photo shows"))
        self.field.setMaxLength(MAX_CLASS_NAME)
        self.field.setClearButtonEnabled(False)
        self.matches = _MatchModel()
        completer = _Completer(self.matches, self)
        # Qt would search all classes in their order; here the likeliest comes first.
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        completer.activated.connect(self._take_offered)
        offered = QListView()
        theme.set_role(offered, "popup")
        offered.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        completer.setPopup(offered)
        offered.setItemDelegate(_MatchDelegate(offered, completer))
        self.field.setCompleter(completer)
        offered.selectionModel().currentChanged.connect(self._move_to)
        self.button = build.button(tr("Label"))
        self.hint = PlainLabel("", "small", wrap=True)
        line = build.row((self.field, 1), self.button)
        build.column(line, self.hint, parent=self, spacing=theme.XS)
        # Before the completer opens, which happens after this signal.
        self.field.textEdited.connect(self._find)
        self.field.textChanged.connect(self._explain)
        self.field.returnPressed.connect(self._take_marked)
        self.button.clicked.connect(self._take_marked)
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

    def _offers(self, text: str) -> list[ClassMatch]:
        try:
            return self._known.offers(text)
        except ClassNameError:
            return []  # the hint says why

    def _find(self, text: str) -> None:
        self._taken = self._moved_to = ""
        self.matches.show_matches(self._offers(text))

    def _move_to(self, index: QModelIndex) -> None:
        self._moved_to = index.data(Qt.ItemDataRole.EditRole) if index.isValid() else ""
        # The field has the name of the row by now, or gets it after this.
        self._explain(self.field.text())

    def _marked(self) -> str:
        """Return what Enter takes; empty if the text can be the name of no class."""
        offers = self._offers(self.field.text())
        return self._moved_to or (offers[0].name if offers else "")

    def _take_marked(self) -> None:
        if name := self._marked():
            self._take(name)

    def _take(self, name: str) -> None:
        self._taken, self._moved_to = name, ""
        self.field.clear()
        self.label_requested.emit(name)

    def _take_offered(self, name: str) -> None:
        # After Enter the field has taken it already: Qt passes the key on to the field, too.
        if name != self._taken:
            self._take(name)
        # The field writes the name into itself after this.
        QTimer.singleShot(0, self.field.clear)

    def _explain(self, text: str) -> None:
        marked = ""
        try:
            name = checked_class_name(text) if text.strip() else ""
        except ClassNameError as error:
            self.hint.setText(translated(str(error)))
        else:
            marked = self._marked() if name else ""
            self.hint.setText(self._consequence(name, marked) or " ")
        self.button.setEnabled(bool(marked))
        self.button.setToolTip(
            tooltip(tr("Label as {name} (Enter)", name=marked)) if marked else ""
        )

    def _consequence(self, name: str, marked: str) -> str:
        """Say what Enter does that the text in the field does not; empty if that is all."""
        if marked and marked not in self._known.names:
            return tr("“{name}” is a new class; the next training learns it.", name=marked)
        if marked.casefold() == name.casefold():
            return ""
        return tr(
            "Enter labels it as {marked}; the last in the list is a new class “{name}”.",
            marked=marked,
            name=name,
        )


class _Completer(QCompleter):
    """Offers all rows of its model, of which the first is the current one."""

    def splitPath(self, path: str) -> list[str]:
        # By itself Qt would make the first row current that begins with what was typed, which
        # may be the new class, and Enter would take it.
        return [""]


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
            return (
                tr("New class “{name}”", name=one_line(match.name))
                if match.is_new
                else one_line(match.name)
            )
        if role == Qt.ItemDataRole.EditRole:  # what the field takes over
            return match.name
        return match.other if role == _OTHER else None


class _MatchDelegate(QStyledItemDelegate):
    """Shows behind a class the other name that was found, and marks what Enter takes."""

    def __init__(self, view: QListView, parent: QWidget | QCompleter) -> None:
        super().__init__(parent)
        self._view = view

    def initStyleOption(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        if other := index.data(_OTHER):
            option.text = f"{index.data()} ({one_line(other)})"
        # The first is current but not selected, which would write its name into the field.
        if index.row() == max(0, self._view.currentIndex().row()):
            option.state |= QStyle.StateFlag.State_Selected
