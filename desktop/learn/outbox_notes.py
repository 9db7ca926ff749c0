"""What a person should know about labels that the backend does not have yet."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QWidget

from desktop import theme
from desktop.learn import wording
from desktop.learn.outbox import OutboxView
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.wrapping_row import WrappingRow


class OutboxNotes(QFrame):
    """Labels that wait and labels that were refused; hidden while there is nothing to say."""

    retry_requested = Signal()
    discard_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "panel")
        self.waiting = PlainLabel(wrap=True)
        self.refused = PlainLabel(role="error", wrap=True)
        self.retry = build.button(tr("Try again"))
        self.retry.setAccessibleName(tr("Send the refused labels again"))
        self.discard = build.button(tr("Discard"))
        self.discard.setAccessibleName(tr("Discard the refused labels"))
        self.retry.clicked.connect(self.retry_requested)
        self.discard.clicked.connect(self.discard_requested)
        buttons = WrappingRow(self.retry, self.discard)
        build.column(
            self.waiting,
            WrappingRow(self.refused, buttons, words=self.refused),
            parent=self,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self.show_outbox(OutboxView())

    def show_outbox(self, outbox: OutboxView) -> None:
        waiting, refused = wording.waiting_sentence(outbox), wording.refused_sentence(outbox)
        self.waiting.setText(waiting)
        self.waiting.setVisible(bool(waiting))
        self.refused.setText(refused)
        for widget in (self.refused, self.retry, self.discard):
            widget.setVisible(bool(refused))
        self.setVisible(bool(waiting or refused))
