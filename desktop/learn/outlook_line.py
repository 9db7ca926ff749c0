"""Whether the labels are enough: what more of them are expected to bring."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QWidget

from backend.contract import Outlook
from desktop import theme
from desktop.learn import wording
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel


class OutlookLine(QFrame):
    """The expected gain as a number, and its interval as a sentence; hidden while unknown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "panel")
        self.number = PlainLabel("", "number")
        self.number.setFont(theme.font(theme.Size.TITLE, strong=True, numbers=True))
        self.verdict = PlainLabel("", "heading")
        self.sentence = PlainLabel("", "muted", wrap=True)
        build.row(
            self.number,
            (build.column(self.verdict, self.sentence, spacing=2), 1),
            parent=self,
            spacing=theme.L,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self.show_outlook(None)

    def show_outlook(self, outlook: Outlook | None) -> None:
        """Show what the report of the live version expects, if it does."""
        self.setVisible(outlook is not None)
        if outlook is None:
            return
        self.number.setText(wording.gain(outlook.gain))
        self.verdict.setText(wording.enough(outlook))
        self.sentence.setText(wording.outlook_sentence(outlook))
        self.setAccessibleName(f"{self.number.text()}: {self.sentence.text()}")
