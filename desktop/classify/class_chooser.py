"""A field for the class that a photo shows: one that is known, or a new one."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QStringListModel, Qt, Signal
from PySide6.QtWidgets import QCompleter, QLineEdit, QListView, QStyledItemDelegate, QWidget

from desktop import theme
from desktop.widgets import build
from serving.class_names import MAX_CLASS_NAME


class ClassChooser(QWidget):
    """A field that offers the known classes as one types and takes any other name too."""

    label_requested = Signal(str)
    """The name of a class, without spaces around it; never empty."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, str] = {}
        self.field = QLineEdit()
        self.field.setPlaceholderText("Other class…")
        self.field.setAccessibleName("Class that the photo shows")
        self.field.setMaxLength(MAX_CLASS_NAME)
        self.field.setClearButtonEnabled(False)
        self._names = QStringListModel(self)
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.activated.connect(self._take)
        offered = QListView()
        theme.set_role(offered, "popup")
        completer.setPopup(offered)
        offered.setItemDelegate(QStyledItemDelegate(completer))
        self.field.setCompleter(completer)
        self.button = build.button("Label")
        self.hint = build.label("", "small", wrap=True)
        line = build.row((self.field, 1), self.button)
        build.column(line, self.hint, parent=self, spacing=theme.XS)
        self.field.textChanged.connect(self._explain)
        self.field.returnPressed.connect(lambda: self._take(self.field.text()))
        self.button.clicked.connect(lambda: self._take(self.field.text()))
        self._explain("")

    def set_classes(self, names: Iterable[str]) -> None:
        """Offer `names` as one types."""
        self._known = {name.lower(): name for name in names}
        self._names.setStringList(sorted(self._known.values(), key=str.lower))
        self._explain(self.field.text())

    def _take(self, text: str) -> None:
        name = " ".join(text.split())
        if name:
            self.field.clear()
            self.label_requested.emit(self._known.get(name.lower(), name))

    def _explain(self, text: str) -> None:
        name = " ".join(text.split())
        self.button.setEnabled(bool(name))
        new = bool(name) and not any(name.lower() in known for known in self._known)
        self.hint.setText(f"“{name}” is a new class; the next training learns it." if new else " ")
