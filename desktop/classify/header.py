"""The header of the Classify page, which also fits beside a wide pane in a small window."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from desktop import formats, theme
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.page_header import PageHeader
from desktop.widgets.plain_text import tooltip
from desktop.widgets.search_field import SearchField
from desktop.widgets.shrinking_buttons import ShrinkingButtons

_MAX_SEARCH_WIDTH = 220
"""Pixels in one row; a second row is filled."""
_FILTER_TIP = tr("Show only some photos (Ctrl+Shift+F)")


class ClassifyHeader(PageHeader):
    """The title, search, filter and buttons; in two rows if one is too narrow.

    In a tight row `reclassify` shows its icon and the count, and `open` its icon alone; their
    tooltips and accessible names keep the words.
    """

    def __init__(self, menu: QMenu, view_menu: QMenu) -> None:
        super().__init__(tr("Classify"))
        self.search = SearchField(tr("Search photos by name, class or label"))
        self.search.setToolTip(tr("Name, class or label (Ctrl+F)"))
        self.search.setMinimumWidth(104)
        self.filter = build.button(tr("Filter"), "filter")
        self.view = build.icon_button("sort", tr("Sort and view"), side=20)
        self.view.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.view.setMenu(view_menu)
        self.reclassify = build.button("0", "refresh")
        self.reclassify.hide()
        self.open = build.button(tr("Open"), "photo-add")
        self.more = build.icon_button("more", tr("More"), side=20)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setMenu(menu)
        self._filters = (self.search, self.filter, self.reclassify)
        self._open = ShrinkingButtons((self.open,))
        self._buttons = (self.view, self._open, self.more)
        self._controls = (self.title, *self._filters, *self._buttons)
        self._count = "0"
        self._outdated = (0, "")
        self._filtered = ("", 0)
        self.filter.setToolTip(tooltip(_FILTER_TIP))
        self._second_row = build.row()
        self.rows.addLayout(self._second_row)
        self._two_rows = False
        self._place_controls()

    def show_outdated(self, count: int, answering: str) -> None:
        """Offer to classify the `count` photos again that `answering` did not answer."""
        if (count, answering) == self._outdated:  # it is said after each burst of answers
            return
        self._outdated = (count, answering)
        self._count = formats.count(count)
        self.reclassify.setAccessibleName(tr("Classify {count} again", count=self._count))
        self.reclassify.setToolTip(
            tooltip(
                tr(
                    "Classify {count} again: their answers are not from {model}",
                    count=self._count,
                    model=answering,
                )
            )
        )
        self.reclassify.setVisible(count > 0)
        self._fit()

    def show_filter(self, words: str, number: int) -> None:
        """Say that `number` values are filtered by, and in words which."""
        if (words, number) == self._filtered:
            return
        self._filtered = (words, number)
        self.filter.setText(tr("Filter ({number})", number=number) if number else tr("Filter"))
        self.filter.setAccessibleName(
            tr("Filter: {values}", values=words) if words else tr("Filter")
        )
        self.filter.setToolTip(
            tooltip(tr("{values} (Ctrl+Shift+F)", values=words) if words else _FILTER_TIP)
        )

    def minimumSizeHint(self) -> QSize:
        # Of one row, even in two: the pane beside gives up its width before the row breaks.
        # In a window too narrow for both, the splitter takes the rest from the wider side.
        return QSize(self._needed_width(*self._controls), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent) -> bool:
        # A control has another size: its text changed, or the fonts of the theme did.
        if event.type() is QEvent.Type.LayoutRequest:
            self._fit()
        return super().event(event)

    def _fit(self) -> None:
        """Choose the arrangement for the width that the header has now."""
        # A hidden `reclassify` counts too, so that the rows stay as they are when it appears.
        two_rows = self._needed_width(*self._controls) > self.width()
        if two_rows != self._two_rows:
            self._two_rows = two_rows
            self._place_controls()
        words = self.reclassify.accessibleName()
        row = self._filters if two_rows else self._controls
        fits = self._needed_width(*row, reclassify_text=words) <= self.width()
        self.reclassify.setText(words if fits else self._count)

    def _needed_width(self, *row: QWidget, reclassify_text: str = "") -> int:
        """Return how wide the header must be for `row`, with this text or the count alone."""
        width = 2 * theme.L + theme.S * (len(row) - 1)
        for control in row:
            # With the words of the button, which only has to do without them in two rows.
            least = control.sizeHint() if control is self._open else control.minimumSizeHint()
            width += max(control.minimumWidth(), least.width())
        if self.title in row:
            width += 2 * theme.S  # beside the sentence, which may shrink to nothing
        if self.reclassify in row:
            measure = self.reclassify.fontMetrics().horizontalAdvance
            width += measure(reclassify_text or self._count) - measure(self.reclassify.text())
        return width

    def _place_controls(self) -> None:
        for layout in (self.row, self._second_row):
            for control in (*self._filters, *self._buttons):
                layout.removeWidget(control)
        order: tuple[QWidget, ...]
        if self._two_rows:
            order = (*self._buttons, *self._filters)
        else:
            order = (*self._filters, *self._buttons)
        for control in order:
            below = self._two_rows and control in self._filters
            (self._second_row if below else self.row).addWidget(control)
        self._second_row.setStretchFactor(self.search, 1)
        self.row.setSpacing(theme.XS if self._two_rows else theme.S)
        self.search.setMaximumWidth(self.maximumWidth() if self._two_rows else _MAX_SEARCH_WIDTH)
        for one, following in itertools.pairwise(order):
            self.setTabOrder(one, following)
