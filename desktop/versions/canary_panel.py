"""How a canary stands, and how a person ends it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QWidget

from backend.contract import CanarySummary
from desktop import theme
from desktop.formats import percent
from desktop.versions import wording
from desktop.widgets import build
from desktop.widgets.interval_bar import IntervalBar
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import tooltip
from desktop.widgets.state_badge import StateBadge


class CanaryPanel(QFrame):
    """Shows a CanarySummary; hidden while there is none."""

    promote_requested = Signal(int)
    """Its version is to answer everything."""
    end_requested = Signal(int)
    """Its version is to answer nothing any more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "panel")
        self._version = 0
        self.badge = StateBadge("canary")
        self.heading = PlainLabel(role="heading")
        self.promote = build.button("Use it now")
        self.end = build.button("End it")
        self.sentence = PlainLabel(role="muted", wrap=True)
        self.bar = IntervalBar()
        self.facts = PlainLabel(role="small", wrap=True)
        self.facts.setFont(theme.font(theme.Size.SMALL, numbers=True))
        build.column(
            build.row(self.badge, (self.heading, 1), self.promote, self.end),
            self.bar,
            self.sentence,
            self.facts,
            parent=self,
            spacing=theme.XS,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self.promote.clicked.connect(lambda: self.promote_requested.emit(self._version))
        self.end.clicked.connect(lambda: self.end_requested.emit(self._version))
        self.show_canary(None)

    def show_canary(self, canary: CanarySummary | None, *, busy: bool = False) -> None:
        """Show how a canary stands; `busy` while it is being ended."""
        self.setVisible(canary is not None)
        if canary is None:
            return
        self._version = canary.version
        name = f"Version {canary.version}"
        self.heading.setText(f"{name} beside version {canary.stable}")
        self.sentence.setText(canary.sentence)
        share = canary.agreements / canary.photos if canary.photos else 0.0
        low, high = canary.agreement_low, canary.agreement_high
        self.bar.show_interval(low, share, high, canary.required_agreement)
        self.bar.setVisible(bool(canary.photos))
        self.bar.setAccessibleName(
            f"Agreement {percent(share)}, between {percent(low)} and {percent(high)};"
            f" {percent(canary.required_agreement)} is required"
        )
        facts = wording.canary_facts(canary)
        self.facts.setText("   ".join(f"{fact}: {value}" for fact, value in facts))
        for button, act in ((self.promote, "Use"), (self.end, "End the canary:")):
            button.setEnabled(not busy)
            button.setAccessibleName(f"{act} version {canary.version}")
        self.promote.setToolTip(tooltip(f"{name} answers all requests from now on"))
        self.end.setToolTip(tooltip(f"Version {canary.stable} answers all requests again"))
