"""Gives a class another name, or makes one class of two."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QLineEdit, QWidget

from desktop import theme
from desktop.formats import count
from desktop.service_sentences import translated
from desktop.translation import tr, tr_plural
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import caption
from serving.class_names import MAX_CLASS_NAME, ClassNameError, checked_class_name


class ClassNameStrip(QFrame):
    """A field with the name of a class; the button says whether it renames or merges."""

    renamed = Signal(str, str)
    """The name of the class, and the one that it is to have; another class may have that."""
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "panel")
        self._class = ""
        self._labels: Mapping[str, int] = {}
        self.field = QLineEdit()
        self.field.setAccessibleName(tr("New name of the class"))
        self.field.setMaxLength(MAX_CLASS_NAME)
        self.field.installEventFilter(self)
        self.hint = PlainLabel("", "small", wrap=True)
        self.apply = build.button(tr("Rename"), role="primary")
        self.cancel = build.button(tr("Cancel"))
        self.field.textChanged.connect(self._explain)
        self.field.returnPressed.connect(self._apply)
        self.apply.clicked.connect(self._apply)
        self.cancel.clicked.connect(self.close_strip)
        build.column(
            build.row((self.field, 1), self.apply, self.cancel),
            self.hint,
            parent=self,
            spacing=theme.XS,
            margins=(theme.M, theme.M, theme.M, theme.S),
        )
        self.hide()

    def open_for(self, name: str, labels: Mapping[str, int]) -> None:
        """Ask for the new name of a class; `labels` are the labels of every class."""
        self._class, self._labels = name, labels
        self.field.setText(name)
        self.field.selectAll()
        self._explain()
        self.show()
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)

    def close_strip(self) -> None:
        """Leave the name as it is."""
        self.hide()
        self.closed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Escape
        ):
            self.close_strip()
            return True
        return False

    def _explain(self) -> None:
        name, problem = self._name()
        other = self._other(name)
        self.apply.setEnabled(bool(name) and name != self._class)
        self.apply.setText(tr("Merge") if other else tr("Rename"))
        if other:
            self.apply.setText(caption(tr("Merge into {other}", other=other), 32))
            labels = self._labels.get(self._class, 0)
            problem = tr_plural(
                "{other} exists: the {count} label of {class_name} becomes a label of {other}.",
                "{other} exists: the {count} labels of {class_name} become labels of {other}.",
                labels,
            ).format(other=other, count=count(labels), class_name=self._class)
        self.hint.setText(
            problem or tr("The labels and the live version have the new name at once.")
        )

    def _name(self) -> tuple[str, str]:
        """Return the name that was typed, or an empty one and why it cannot be one."""
        if not self.field.text().strip():
            return "", ""
        try:
            return checked_class_name(self.field.text()), ""
        except ClassNameError as error:
            return "", translated(str(error))

    def _other(self, name: str) -> str:
        """Return the other class that has this name, however it is capitalised."""
        folded = name.casefold()
        return next(
            (each for each in self._labels if each.casefold() == folded and each != self._class),
            "",
        )

    def _apply(self) -> None:
        name, _ = self._name()
        if name and name != self._class:
            self.hide()
            self.renamed.emit(self._class, self._other(name) or name)
