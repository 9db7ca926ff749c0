"""What a page shows while it has nothing: one picture, one sentence, one button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel


class EmptyState(QWidget):
    """An invitation to do the first thing here."""

    action_requested = Signal()
    """The button was pressed."""

    def __init__(
        self,
        picture: str,
        heading: str,
        sentence: str,
        action: str = "",
    ) -> None:
        super().__init__()
        image = build.icon(picture, "muted", side=96)
        self.heading = PlainLabel(heading, "title", wrap=True)
        self.sentence = PlainLabel(sentence, "muted", wrap=True)
        self.sentence.setMaximumWidth(420)
        for centered in (image, self.heading, self.sentence):
            centered.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button = build.button(action, role="primary")
        if not action:
            self.button.hide()
        self.button.clicked.connect(self.action_requested)
        build.column(
            (None, 2),
            image,
            theme.S,
            self.heading,
            build.row((None, 1), (self.sentence, 100), (None, 1)),
            theme.S,
            build.row(None, self.button, None),
            (None, 3),
            parent=self,
            margins=(theme.XL, theme.XL, theme.XL, theme.XL),
        )
