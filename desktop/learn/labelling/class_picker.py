"""The classes for the photo that is shown: nine by their keys, all by typing."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QSizePolicy, QWidget

from desktop import theme
from desktop.known_classes import KnownClasses
from desktop.learn.labelling.choices import MAX_CHOICES, Choice, matches
from desktop.learn.labelling.class_row import MIN_HEIGHT, ClassRow
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from serving.class_names import MAX_CLASS_NAME, ClassNameError

_SPACING = 2
_MIN_ROWS = 3


class ClassPicker(QWidget):
    """A field over nine rows: the suggestions, or what the text in the field may mean.

    Enter takes the row that is marked, which the arrow keys move; Escape empties the field.
    """

    picked = Signal(str)
    """The name of a class, which may be a new one."""
    left = Signal()
    """The field is done with: the keyboard belongs to the view around this again."""

    def __init__(self) -> None:
        super().__init__()
        self._known = KnownClasses()
        self._suggested: Sequence[Choice] = ()
        self._shown: Sequence[Choice] = ()
        self._marked = 0
        self.field = QLineEdit()
        self.field.setPlaceholderText(tr("Type any class, or a new one"))
        self.field.setAccessibleName(tr("Class that the photo shows"))
        self.field.setMaxLength(MAX_CLASS_NAME)
        self.field.installEventFilter(self)
        self.field.textChanged.connect(self._find)
        self.field.textEdited.connect(self._on_edited)
        self.problem = PlainLabel("", "small", wrap=True)
        self.problem.hide()
        self.rows = [ClassRow(str(number)) for number in range(1, MAX_CHOICES + 1)]
        for number, row in enumerate(self.rows):
            row.clicked.connect(lambda _=False, number=number: self.pick(number))
        build.column(
            self.field, self.problem, theme.XS, *self.rows, None, parent=self, spacing=_SPACING
        )
        # As high as there is room for: in a low window fewer classes are offered.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self.field.ensurePolished()  # the style sheet makes it higher
        # A layout also ignores the least that such a policy hints at.
        self.setMinimumHeight(self._height_of(_MIN_ROWS))
        self._show(())

    @property
    def choices(self) -> Sequence[Choice]:
        """What the rows show, from the top."""
        return self._shown

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        marked = self._marked
        self._find(self.field.text())
        self._mark(min(marked, max(0, len(self._shown) - 1)))

    def _height_of(self, rows: int) -> int:
        return self.field.sizeHint().height() + theme.XS + rows * (MIN_HEIGHT + _SPACING)

    def set_known(self, known: KnownClasses) -> None:
        """Find `known` as one types."""
        if known is not self._known:
            self._known = known
            self._find(self.field.text())

    def show_choices(self, choices: Sequence[Choice]) -> None:
        """Suggest `choices` for another photo; what was being typed is given up."""
        self._suggested = choices
        if self.field.text():
            self.field.clear()  # which shows the suggestions
        else:
            self._show(choices)

    def pick(self, number: int) -> bool:
        """Take the row of that number, from 0; returns whether there is a class in it."""
        if number >= len(self._shown):
            return False
        name = self._shown[number].name
        if self.field.text():
            self.field.clear()
        self.left.emit()
        self.picked.emit(name)
        return True

    def pick_marked(self) -> bool:
        """Take the row that is marked; returns whether there is one."""
        return self.pick(self._marked)

    def move_mark(self, event: QKeyEvent) -> None:
        """Mark the row above or below, as an arrow key says."""
        if self._shown:
            step = 1 if event.key() == Qt.Key.Key_Down else -1
            self._mark((self._marked + step) % len(self._shown))

    def type(self, event: QKeyEvent) -> None:
        """Begin to type with a key that went to the view around this."""
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        QApplication.sendEvent(self.field, event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        match event.key():
            case Qt.Key.Key_Up | Qt.Key.Key_Down if self._shown:
                self.move_mark(event)
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                if not event.isAutoRepeat():
                    self.pick(self._marked)
            case Qt.Key.Key_Escape:
                self.field.clear()
                self.left.emit()
            case _:
                return False
        return True

    def _on_edited(self, text: str) -> None:
        # A person who has deleted what they typed is back at the photo: there a digit is an answer,
        # and here it would be the name of a new class.
        if not text:
            self.left.emit()

    def _find(self, text: str) -> None:
        problem = ""
        shown: Sequence[Choice] = self._suggested
        if text.strip():
            try:
                shown = matches(text, self._known)
            except ClassNameError as error:
                shown, problem = (), translated(str(error))
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self._show(shown)

    def _show(self, choices: Sequence[Choice]) -> None:
        rows = next(
            (
                rows
                for rows in range(MAX_CHOICES, _MIN_ROWS, -1)
                if self._height_of(rows) <= self.height()
            ),
            _MIN_ROWS,
        )
        if len(choices) > rows and choices[-1].is_new:  # it stands last, and is never left out
            choices = [*choices[: rows - 1], choices[-1]]
        self._shown = choices[:rows]
        self._mark(0)

    def _mark(self, number: int) -> None:
        self._marked = number
        for index, row in enumerate(self.rows):
            choice = self._shown[index] if index < len(self._shown) else None
            row.show_choice(choice, selected=index == number)
