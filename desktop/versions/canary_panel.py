"""How a canary stands, and how a person ends it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QWidget

from backend.contract import CanarySummary
from desktop import theme
from desktop.formats import percent
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions import wording
from desktop.widgets import build
from desktop.widgets.interval_bar import IntervalBar
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import tooltip
from desktop.widgets.state_badge import StateBadge

_BAR_WIDTH = 160


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
        self.promote = build.button(tr("Use it now"))
        self.end = build.button(tr("End it"))
        self.sentence = PlainLabel(role="muted", wrap=True)
        self.bar = IntervalBar()
        self.bar.setFixedWidth(_BAR_WIDTH)
        self.facts = PlainLabel(role="small", wrap=True)
        self.facts.setFont(theme.font(theme.Size.SMALL, numbers=True))
        build.column(
            build.row(self.badge, (self.heading, 1), self.promote, self.end),
            build.row(self.bar, (self.sentence, 1), spacing=theme.M),
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
        version, stable = canary.version, canary.stable
        self.heading.setText(
            tr("Version {version} beside version {stable}", version=version, stable=stable)
        )
        self.sentence.setText(translated(canary.sentence))
        share = canary.agreements / canary.photos if canary.photos else 0.0
        low, high = canary.agreement_low, canary.agreement_high
        self.bar.show_interval(low, share, high, canary.required_agreement)
        self.bar.setVisible(bool(canary.photos))
        self.bar.setAccessibleName(
            tr(
                "Agreement {share}, between {low} and {high}; {required} is required",
                share=percent(share),
                low=percent(low),
                high=percent(high),
                required=percent(canary.required_agreement),
            )
        )
        facts = wording.canary_facts(canary)
        self.facts.setText("   ".join(f"{fact}: {value}" for fact, value in facts))
        for button in (self.promote, self.end):
            button.setEnabled(not busy)
        self.promote.setAccessibleName(tr("Use version {number}", number=version))
        self.end.setAccessibleName(tr("End the canary: version {number}", number=version))
        self.promote.setToolTip(
            tooltip(tr("Version {number} answers all requests from now on", number=version))
        )
        self.end.setToolTip(
            tooltip(tr("Version {number} answers all requests again", number=stable))
        )
