"""What the views have in common in which a person says what photos show."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QPushButton,
    QWidget,
)

from desktop import theme
from desktop.learn.labelling.answer import NONE_OF_THESE, SKIPPED, Answer
from desktop.learn.labelling.class_picker import ClassPicker
from desktop.shortcuts import Shortcut
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.page_body import CurrentStack

_SIDE_WIDTH, _NARROW_SIDE_WIDTH = 264, 248
_NARROW = 760
"""Pixels of the view below which what stands beside the photo gets narrower."""
NONE_KEY, SKIP_KEY = Shortcut.ANSWER_NONE.keys[0], Shortcut.SKIP.keys[0]
_FIND_KEY = Shortcut.TYPE_CLASS.keys[0]
_KEYS = (*Shortcut.ANSWER.keys, NONE_KEY, SKIP_KEY)
_CHORD = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


class AnswerView(QWidget):
    """A view with a ClassPicker whose keys answer wherever in it the keyboard focus is.

    Enter takes the marked class, which is the first one at first, 1 to 9 those beside their keys,
    0 none of them, and minus skips; every letter begins to type a class. So nobody who types a name
    answers by accident, and the number pad is all that is needed. A key that is held down answers
    once.
    """

    answered = Signal(object)
    """Answer"""
    undo_requested = Signal()

    def __init__(self, picture: str) -> None:
        """`picture` is the icon that is seen while there is nothing to answer about."""
        super().__init__()
        self.empty = EmptyState(picture, "", "")
        self._body = CurrentStack()
        self._body.addWidget(self.empty)
        build.column(self._body, parent=self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.side = QWidget()
        """What stands beside the photos; the views fill it."""
        self.picker = ClassPicker()
        self.picker.picked.connect(lambda name: self.answered.emit(Answer(name)))
        self.picker.left.connect(self.take_focus)
        self.none = key_button(tr("None of these"), NONE_KEY)
        self.none.clicked.connect(lambda: self.answered.emit(NONE_OF_THESE))
        self.skip = key_button(tr("Skip"), SKIP_KEY)
        self.skip.clicked.connect(self.pass_by)
        self.undo = key_button(tr("Undo"), Shortcut.UNDO_LEARN.text)
        theme.set_role(self.undo, "quiet")
        self.undo.clicked.connect(self.undo_requested)

    @property
    def can_answer(self) -> bool:
        """Whether there is something on the screen to answer about."""
        raise NotImplementedError

    def set_work(self, *parts: build.Item | tuple[build.Item, int]) -> None:
        """Say what stands left of `side` while there is something to answer about."""
        work = QFrame()
        build.row(
            *parts,
            self.side,
            parent=work,
            spacing=theme.L,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self._body.addWidget(work)

    def show_work(self) -> None:
        """Show what there is to answer about."""
        self._body.setCurrentIndex(1)
        if self.hasFocus():
            self.take_focus()

    def show_empty(self, heading: str, sentence: str, action: str = "") -> None:
        """Say why there is nothing to answer about, and what to do."""
        focused = self.window().focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            # Otherwise Qt gives the focus to what comes next, which the next key would press.
            self.setFocus(Qt.FocusReason.OtherFocusReason)
        self.empty.heading.setText(heading)
        self.empty.sentence.setText(sentence)
        self.empty.button.setText(action)
        self.empty.button.setVisible(bool(action))
        self._body.setCurrentIndex(0)

    def take_focus(self) -> None:
        """Let the keys answer again."""
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def accept(self) -> None:
        """Do what Enter does: take the marked class, or begin to type one if none is offered."""
        if not self.picker.pick_marked():
            self.picker.field.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def pass_by(self) -> None:
        """Do what the minus key does."""
        self.answered.emit(SKIPPED)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.side.setFixedWidth(_NARROW_SIDE_WIDTH if self.is_narrow else _SIDE_WIDTH)

    @property
    def is_narrow(self) -> bool:
        """Whether what is not needed has to make room."""
        return self.width() < _NARROW

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # The text and not the key, because some keyboards have digits above Shift.
        text, focused = event.text(), self.focusWidget()
        accepts = Shortcut.ACCEPT.matches(event)
        if not self.can_answer or event.modifiers() & _CHORD:
            super().keyPressEvent(event)
        elif accepts or Shortcut.TOGGLE.matches(event) or (text and text in _KEYS):
            if event.isAutoRepeat():
                return
            if accepts and isinstance(focused, QAbstractButton):
                focused.click()
            elif text == NONE_KEY:
                self.answered.emit(NONE_OF_THESE)
            elif text == SKIP_KEY:
                self.pass_by()
            elif text.isdigit():
                self.picker.pick(int(text) - 1)
            else:
                self.accept()
        elif text == _FIND_KEY:
            self.picker.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        elif text.isalpha():
            self.picker.type(event)
        else:
            super().keyPressEvent(event)


def key_button(text: str, key: str, tip: str = "") -> QPushButton:
    """Return a button that says which key does the same; a click leaves the focus where it is."""
    made = build.button(f"{text}   {key}", tip=tip)
    made.setAccessibleName(tr("{text}, key {key}", text=text, key=key))
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made
