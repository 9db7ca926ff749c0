"""What a place shows while it has nothing: one picture, one sentence, one button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from desktop import theme


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
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        image = QLabel()
        image.setAlignment(Qt.AlignmentFlag.AlignCenter)
        theme.set_icon(image, picture, "muted", side=96)
        self.heading = QLabel(heading)
        theme.set_role(self.heading, "title")
        self.sentence = QLabel(sentence)
        theme.set_role(self.sentence, "muted")
        for label in (self.heading, self.sentence):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
        self.sentence.setMaximumWidth(420)
        self.button = QPushButton(action, self)
        theme.set_role(self.button, "primary")
        self.button.setVisible(bool(action))
        self.button.clicked.connect(self.action_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.XL, theme.XL, theme.XL, theme.XL)
        layout.setSpacing(theme.S)
        layout.addStretch(2)
        layout.addWidget(image)
        layout.addSpacing(theme.S)
        layout.addWidget(self.heading)
        centred = QHBoxLayout()
        centred.addStretch(1)
        centred.addWidget(self.sentence, 100)
        centred.addStretch(1)
        layout.addLayout(centred)
        layout.addSpacing(theme.S)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(3)
