"""What fills the Classify page: an invitation, the photos beside their pane, or a welcome."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QSplitter, QStackedWidget, QWidget

from desktop import theme
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.plain_label import PlainLabel

_NARROW, _PANE, _MAX_PANE = 1120, 360, 600
"""Pixels of the page as it is made, of its pane, and of the pane on a large screen."""
_PANE_SHARE = 0.24
"""Of the page, until a person moves the border."""


class PageContent(QStackedWidget):
    """Shows one of them, chosen by `show_photos`; the focus follows."""

    def __init__(self, head: Sequence[QWidget], grid: QWidget, pane: QWidget) -> None:
        """`head` is above the photos in `grid`, beside which `pane` is."""
        super().__init__()
        self.show_all = build.button(tr("Show all photos"))
        self.empty = EmptyState(
            "empty-photos",
            tr("Drop photos here"),
            tr("They are classified on this machine. Nothing leaves it."),
            tr("Open photos…"),
        )
        self.note = PlainLabel("", "small", wrap=True)
        """Below the invitation: what there is to answer photos."""
        self.view = grid
        """Shows the photos now."""
        self._no_match = self._no_match_widget()
        self._views = QStackedWidget()
        self._views.addWidget(grid)
        self._views.addWidget(self._no_match)
        left = QWidget()
        indented = build.row((self._views, 1), margins=(theme.M, 0, 0, 0))
        build.column(*head, (indented, 1), parent=left, spacing=0)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        self._split.setHandleWidth(1)
        self._split.addWidget(left)
        self._split.addWidget(pane)
        self._split.setStretchFactor(0, 1)
        self._split.setSizes([_NARROW - _PANE, _PANE])
        self._is_split_by_hand = False
        self._split.splitterMoved.connect(self._note_split)
        self._invitation = self._invite()
        self._welcome: QWidget | None = None
        self.addWidget(self._invitation)
        self.addWidget(self._split)

    def set_welcome(self, welcome: QWidget | None) -> None:
        """Let `show_photos` show `welcome` in place of all else, until None."""
        self._welcome = welcome
        if welcome is not None:
            self.addWidget(welcome)

    def add_view(self, view: QWidget) -> None:
        """Add a widget that `set_view` shows in place of the grid."""
        self._views.addWidget(view)

    def set_view(self, view: QWidget) -> None:
        """Let `show_photos` show the photos in `view`."""
        self.view = view

    def show_photos(self, total: int, shown: int) -> None:
        """Show what fits a gallery of `total` photos, `shown` of which pass its filter."""
        self._views.setCurrentWidget(self.view if shown else self._no_match)
        content = self._welcome or (self._split if total else self._invitation)
        before = self.currentWidget()
        if content is before:
            return
        focused = self.focusWidget()
        had_focus = before is not None and focused is not None and before.isAncestorOf(focused)
        self.setCurrentWidget(content)
        if had_focus:  # out of what is hidden
            target = {self._split: self.view, self._invitation: self.empty.button}
            target.get(content, content).setFocus()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # The photo is worth more than another column of tiles on a large screen.
        pane = round(min(_MAX_PANE, self.width() * _PANE_SHARE))
        if pane > _PANE and not self._is_split_by_hand:
            self._split.setSizes([self.width() - pane, pane])

    def _note_split(self) -> None:
        self._is_split_by_hand = True

    def _invite(self) -> QWidget:
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        zone = QFrame()
        theme.set_role(zone, "dropzone")
        margins = (theme.XL, theme.XL, theme.XL, theme.L)
        build.column((self.empty, 1), self.note, parent=zone, margins=margins)
        whole = QWidget()
        build.column(zone, parent=whole, margins=(theme.XL, theme.XL, theme.XL, theme.XL))
        return whole

    def _no_match_widget(self) -> QWidget:
        said = PlainLabel(tr("No photo matches the search and the filter."), "muted", wrap=True)
        said.setAlignment(Qt.AlignmentFlag.AlignCenter)
        whole = QWidget()
        build.column(None, said, build.row(None, self.show_all, None), None, parent=whole)
        return whole
