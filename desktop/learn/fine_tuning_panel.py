"""Offers to train the network itself, where there are labels enough for that."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QWidget

from backend.contract import FineTuningOffer
from desktop import theme
from desktop.learn import wording
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel


class FineTuningPanel(QFrame):
    """A button, and what it does and takes or why it cannot be pressed yet."""

    requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "panel")
        self.button = build.button(tr("Fine-tune the network"))
        self.button.clicked.connect(self.requested)
        self.sentence = PlainLabel("", "muted", wrap=True)
        build.row(
            self.button,
            (self.sentence, 1),
            parent=self,
            spacing=theme.L,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self.show_offer(None)

    def show_offer(self, offer: FineTuningOffer | None, *, is_running: bool = False) -> None:
        """Show what the backend offers, if that is known; it `is_running` while a run does it."""
        self.button.setEnabled(offer is not None and offer.possible and not is_running)
        sentence = wording.fine_tuning_sentence(offer, is_running=is_running)
        self.sentence.setText(sentence)
        self.button.setAccessibleDescription(sentence)
