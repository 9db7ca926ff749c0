"""An AnswerView of photos or groups that come one after the other."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout

from desktop import theme
from desktop.learn.labelling.answer_view import AnswerView
from desktop.shortcuts import Shortcut
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel


class WalkView(AnswerView):
    """Arrow keys and two buttons go to what came before, and to what is next, without an answer."""

    back_requested = Signal()
    forward_requested = Signal()

    def __init__(self, picture: str, keys: tuple[Shortcut, Shortcut]) -> None:
        """`picture` is the icon of the empty view; `keys` go back and forward."""
        super().__init__(picture)
        self._back_key, self._forward_key = keys
        back, forward = (f"{each.meaning} ({each.text})" for each in keys)
        self.progress = PlainLabel("", "small")
        """How far one is; the views place it beside the photos, where there is room for it."""
        self.back = build.icon_button("chevron-left", back, side=20)
        self.forward = build.icon_button("chevron-right", forward, side=20)
        for button, signal in (
            (self.back, self.back_requested),
            (self.forward, self.forward_requested),
        ):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(signal)

    def walk_row(self) -> QHBoxLayout:
        """Return the row that goes back and forward, and undoes."""
        return build.row(self.back, self.forward, None, self.undo, spacing=theme.XS)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._back_key.matches(event):
            self.back_requested.emit()
        elif self._forward_key.matches(event):
            self.forward_requested.emit()
        else:
            super().keyPressEvent(event)
