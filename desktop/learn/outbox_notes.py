"""What a person should know about labels that the backend does not have yet."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from desktop import theme
from desktop.learn import wording
from desktop.learn.outbox import OutboxView


class OutboxNotes(QFrame):
    """Labels that wait and labels that were refused; hidden while there is nothing to say."""

    retry_requested = Signal()
    discard_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "panel")
        self.waiting = QLabel()
        self.waiting.setWordWrap(True)
        self.refused = QLabel()
        self.refused.setWordWrap(True)
        theme.set_role(self.refused, "error")
        self.retry = QPushButton("Try again")
        self.retry.setAccessibleName("Send the refused labels again")
        self.discard = QPushButton("Discard")
        self.discard.setAccessibleName("Discard the refused labels")
        self.retry.clicked.connect(self.retry_requested)
        self.discard.clicked.connect(self.discard_requested)
        second = QHBoxLayout()
        second.setSpacing(theme.S)
        second.addWidget(self.refused, 1)
        second.addWidget(self.retry)
        second.addWidget(self.discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.L, theme.M, theme.L, theme.M)
        layout.setSpacing(theme.S)
        layout.addWidget(self.waiting)
        layout.addLayout(second)
        self.show_outbox(OutboxView())

    def show_outbox(self, outbox: OutboxView) -> None:
        waiting, refused = wording.waiting_sentence(outbox), wording.refused_sentence(outbox)
        self.waiting.setText(waiting)
        self.waiting.setVisible(bool(waiting))
        self.refused.setText(refused)
        for widget in (self.refused, self.retry, self.discard):
            widget.setVisible(bool(refused))
        self.setVisible(bool(waiting or refused))
