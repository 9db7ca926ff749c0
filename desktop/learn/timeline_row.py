"""One version or training run on the timeline."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from desktop import theme
from desktop.formats import percent
from desktop.learn import wording
from desktop.learn.timeline import TimelineEntry
from desktop.moments import ago, moment_in_full
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import tooltip
from desktop.widgets.timeline_rail import TimelineRail


class TimelineRow(QWidget):
    """Shows a TimelineEntry, with the button that makes its version live."""

    promote_requested = Signal(int)

    def __init__(self, entry: TimelineEntry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rail = TimelineRail()
        self.heading = PlainLabel(role="heading")
        self.state = PlainLabel()
        self.when = ElidedLabel(role="small")
        self.origin = PlainLabel(role="muted", wrap=True)
        self.change = PlainLabel(role="muted", wrap=True)
        self.accuracy = PlainLabel()
        self.accuracy.setFont(theme.font(theme.Size.TITLE, strong=True, numbers=True))
        self.accuracy.setMinimumWidth(72)
        self.accuracy.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.promote = QPushButton()
        self.promote.setMinimumWidth(104)
        self.promote.clicked.connect(self._promote)
        # A hidden button keeps its space, so that the accuracies stay in one column.
        policy = self.promote.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.promote.setSizePolicy(policy)

        words = build.column(
            build.row(self.heading, self.state, (self.when, 1)),
            self.origin,
            self.change,
            spacing=2,
            margins=(0, theme.M, 0, theme.M),
        )
        build.row(self._rail, (words, 1), self.accuracy, self.promote, parent=self, spacing=theme.M)
        self.show_entry(entry, None, busy=False, first=True, last=True)

    def show_entry(
        self, entry: TimelineEntry, live: int | None, *, busy: bool, first: bool, last: bool
    ) -> None:
        """Show `entry`; `live` is the number of the live version, `busy` while one is promoted."""
        version, run = entry.version, entry.run
        self._entry = entry
        if version is not None:
            state = "live" if version.number == live else ""
            self.heading.setText(f"Version {version.number}")
            self.origin.setText(wording.version_sentence(version, run))
            change = wording.held_back_sentence(version, run) or wording.change_sentence(run)
            self._show_accuracy(version.accuracy, version.measured_on)
        else:
            state = str(run.state) if run is not None else ""
            self.heading.setText("Training run")
            self.origin.setText(wording.run_sentence(run) if run is not None else "")
            change = wording.change_sentence(run)
            self._show_accuracy(None, "")
        self._show_state(state)
        self.change.setText(change)
        self.change.setVisible(bool(change))
        self._show_when(entry.when)
        self._rail.show_mark(state or "answered", first=first, last=last)
        self._show_button(live, busy)
        facts = (self.heading.text(), self.state.text(), self.accuracy.text(), self.origin.text())
        self.setAccessibleName(", ".join(fact for fact in facts if fact))

    def refresh_time(self) -> None:
        self._show_when(self._entry.when)

    def _show_when(self, moment: str) -> None:
        self.when.setText(ago(moment))
        self.when.setToolTip(tooltip(moment_in_full(moment)))

    def _show_state(self, state: str) -> None:
        self.state.setText(state.capitalize())
        self.state.setVisible(bool(state))
        if state:
            theme.set_role(self.state, f"state {theme.state_mark(state).token}")

    def _show_accuracy(self, accuracy: float | None, measured_on: str) -> None:
        self.accuracy.setText("" if accuracy is None else percent(accuracy))
        self.accuracy.setToolTip(tooltip(f"Measured on {measured_on}" if measured_on else ""))
        self.accuracy.setAccessibleName(f"Accuracy {self.accuracy.text()}")

    def _show_button(self, live: int | None, busy: bool) -> None:
        version = self._entry.version
        offered = version is not None and version.number != live
        self.promote.setVisible(offered)
        self.promote.setEnabled(not busy)
        if version is not None:
            back = live is not None and version.number < live
            self.promote.setText("Roll back" if back else "Promote")
            act = "Roll back to" if back else "Promote"
            self.promote.setAccessibleName(f"{act} version {version.number}")
            self.promote.setToolTip(
                tooltip(f"Make version {version.number} the one that the fleet serves")
            )

    def _promote(self) -> None:
        if self._entry.version is not None:
            self.promote_requested.emit(self._entry.version.number)
