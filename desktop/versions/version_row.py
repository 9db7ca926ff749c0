"""One version on the timeline of a model."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from backend.contract import DEFAULT_SHARE, CanarySummary, VersionSummary
from desktop import theme
from desktop.formats import capitalized, percent, size
from desktop.moments import ago, moment_in_full
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions import wording
from desktop.versions.timeline import TimelineEntry
from desktop.widgets import build
from desktop.widgets.accuracy_bar import AccuracyBar
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import caption, tooltip
from desktop.widgets.timeline_rail import TimelineRail


class VersionRow(QWidget):
    """Shows a version; a click or Enter selects it. Signals carry its number."""

    selected = Signal(int)
    promote_requested = Signal(int)
    pin_requested = Signal(int, bool)
    verify_requested = Signal(int)
    delete_requested = Signal(int)
    compare_requested = Signal(int)
    """Compare it with the live one."""
    trust_requested = Signal(int)
    """Ask whether it is trusted."""
    distrust_requested = Signal(int)
    """Trust it no longer."""
    canary_requested = Signal(int)
    """Let it answer a share of the requests."""
    export_requested = Signal(int)
    """Write it to a folder or a file."""
    image_requested = Signal(int)
    """Ask how its container image is to be made."""
    confused_requested = Signal(int)
    """Show the photos of the classes that it cannot tell apart."""

    def __init__(self, version: VersionSummary, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._version = version
        self._before: VersionSummary | None = None
        self._may_be_canary = False
        self._is_selected = False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._rail = TimelineRail(theme.XL - 2)
        self.heading = PlainLabel(role="heading")
        self.state = PlainLabel()
        self.change = PlainLabel(role="muted", wrap=True)
        self.facts = PlainLabel(role="small", wrap=True)
        self.accuracy = PlainLabel()
        self.accuracy.setFont(theme.font(strong=True, numbers=True))
        self.bar = AccuracyBar()
        self.fault = PlainLabel(role="error", wrap=True, selectable=True)
        """Why it cannot be served."""
        self.held_back = PlainLabel(wrap=True, selectable=True)
        """Why it did not go live."""
        self.confused = build.button(tr("Photos"), role="quiet")
        """Shows those of the classes that it cannot tell apart."""
        self.confused.clicked.connect(lambda: self.confused_requested.emit(self._version.number))
        self.promote = build.button(tr("Use this version"))
        self.menu = build.icon_button("more", tr("More about this version"))
        self.menu.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        menu.aboutToShow.connect(lambda: self._fill_menu(menu))
        self.menu.setMenu(menu)
        self.promote.clicked.connect(lambda: self.promote_requested.emit(self._version.number))
        self.trust = build.button(tr("Trust…"))
        self.trust.clicked.connect(lambda: self.trust_requested.emit(self._version.number))
        self.choices = build.row(self.promote, self.confused, self.trust, None)
        """What can be done about it; more fits in before the stretch."""
        words = build.column(
            build.row(self.heading, None, self.menu),
            self.state,
            build.row(self.accuracy, (self.bar, 1)),
            self.change,
            self.facts,
            self.held_back,
            self.fault,
            self.choices,
            spacing=theme.XS,
            margins=(0, theme.M, theme.S, theme.M),
        )
        build.row(self._rail, (words, 1), parent=self, spacing=theme.S, margins=(theme.S, 0, 0, 0))

    @property
    def version(self) -> VersionSummary:
        return self._version

    def show_entry(
        self,
        entry: TimelineEntry,
        before: VersionSummary | None,
        live: int | None,
        *,
        canary: CanarySummary | None,
        selected: bool,
        busy: bool,
        first: bool,
        last: bool,
    ) -> None:
        """Show the version of `entry`; `before` is the one it was learned from.

        `live` is the number of the live version, `canary` the canary of the model, and `busy`
        is true while one is being promoted.
        """
        assert entry.version is not None
        version, run = entry.version, entry.run
        self._version, self._before, self._is_selected = version, before, selected
        is_canary = canary is not None and canary.version == version.number
        self._may_be_canary = live is not None and canary is None and not version.live
        self.heading.setText(tr("Version {number}", number=version.number))
        held_back = wording.held_back_sentence(version, run, entry.last)
        states = wording.version_states(version, bool(held_back), canary)
        mark = _mark(version, is_canary=is_canary, is_held_back=bool(held_back))
        state = capitalized(", ".join(states))
        self.state.setText(state)
        self.state.setVisible(bool(state))
        theme.set_role(self.state, f"state {theme.state_mark(mark).token}")
        self.refresh_time()
        measured = wording.accuracy(version.accuracy, version.accuracy_error)
        self.accuracy.setText(measured or tr("Not measured"))
        how = tr("Measured on {photos}.", photos=version.measured_on)
        how = f"{how} {wording.change_sentence(run)}".strip()
        self.accuracy.setToolTip(tooltip(how if measured else ""))
        self.bar.show_accuracy(version.accuracy, version.accuracy_error)
        self.bar.setVisible(bool(measured))
        self.change.setText(wording.class_changes(version, before))
        self.held_back.setText(held_back)
        self.held_back.setVisible(bool(held_back))
        confused = wording.confused_sentence(run) if held_back else ""
        self.confused.setToolTip(tooltip(confused))
        self.confused.setAccessibleName(tr("Show the photos. {confused}", confused=confused))
        self.confused.setVisible(bool(confused))
        # The button below it is the advice for one that nobody trusts yet.
        advice = "" if version.needs_trust else version.fault_advice
        self.fault.setText(translated(f"{version.fault} {advice}".strip()))
        self.fault.setVisible(bool(version.fault))
        self._show_promote(live, bool(held_back), busy)
        self.trust.setVisible(version.needs_trust)
        self.trust.setAccessibleName(tr("Trust version {number}…", number=version.number))
        self._rail.show_mark(mark, first=first, last=last)
        parts = (
            *(self.heading.text(), state, version.fault, held_back),
            *(self.accuracy.text(), self.change.text()),
        )
        self.setAccessibleName(", ".join(part for part in parts if part))
        self.update()

    def _show_promote(self, live: int | None, is_held_back: bool, busy: bool) -> None:
        version = self._version
        self.promote.setVisible(not version.live and not version.needs_trust)
        self.promote.setEnabled(not busy)
        if is_held_back:
            text = tr("Use it anyway")
            name = tr("Use it anyway: version {number}", number=version.number)
        elif live is not None and version.number < live:
            text = tr("Roll back")
            name = tr("Roll back to version {number}", number=version.number)
        else:
            text = tr("Use this version")
            name = tr("Use version {number}", number=version.number)
        self.promote.setText(text)
        self.promote.setAccessibleName(name)

    def refresh_time(self) -> None:
        version = self._version
        photos = wording.photos_change(version, self._before)
        facts = [ago(version.created), photos, size(version.size_bytes)]
        self.facts.setText(", ".join(fact for fact in facts if fact))
        self.facts.setToolTip(tooltip(moment_in_full(version.created)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self.selected.emit(self._version.number)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.selected.emit(self._version.number)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = self.rect().toRectF().adjusted(0.5, 1.5, -0.5, -1.5)
        painter.setPen(QPen(theme.color("accent"), 1) if self.hasFocus() else Qt.PenStyle.NoPen)
        if self._is_selected:
            painter.setBrush(theme.color("accent_soft"))
        if self._is_selected or self.hasFocus():
            painter.drawRoundedRect(box, theme.CORNER, theme.CORNER)

    def _fill_menu(self, menu: QMenu) -> None:
        menu.clear()
        version, number = self._version, self._version.number
        canary = menu.addAction(
            caption(tr("Try it on {share} of the requests", share=percent(DEFAULT_SHARE)))
        )
        canary.setEnabled(self._may_be_canary and not version.fault)
        canary.triggered.connect(lambda: self.canary_requested.emit(number))
        compare = menu.addAction(tr("Compare with the live version"))
        compare.setEnabled(not version.live)
        compare.triggered.connect(lambda: self.compare_requested.emit(number))
        pin = menu.addAction(tr("Unpin") if version.pinned else tr("Pin, so that it always stays"))
        pin.triggered.connect(lambda: self.pin_requested.emit(number, not version.pinned))
        menu.addAction(tr("Verify its files")).triggered.connect(
            lambda: self.verify_requested.emit(number)
        )
        export = menu.addAction(tr("Export…"))
        export.setEnabled(not version.needs_trust)
        export.triggered.connect(lambda: self.export_requested.emit(number))
        image = menu.addAction(tr("Make an image…"))
        image.setEnabled(not version.needs_trust)
        image.triggered.connect(lambda: self.image_requested.emit(number))
        if version.trusted:
            menu.addAction(tr("Withdraw trust")).triggered.connect(
                lambda: self.distrust_requested.emit(number)
            )
        menu.addSeparator()
        delete = menu.addAction(tr("Delete for good… ({size})", size=size(version.size_bytes)))
        if version.live or version.pinned:
            delete.setText(
                tr("Delete (it is live)") if version.live else tr("Delete (it is pinned)")
            )
            delete.setEnabled(False)
        delete.triggered.connect(lambda: self.delete_requested.emit(number))


def _mark(version: VersionSummary, *, is_canary: bool, is_held_back: bool) -> str:
    """Return the one state of a version that its mark shows."""
    states = {
        "failed": bool(version.fault),
        "live": version.live,
        "canary": is_canary,
        "held back": is_held_back,
    }
    return next((state for state, is_so in states.items() if is_so), "answered")
