"""The menu of the gallery's order, and of grid or list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu

from desktop.classify.gallery_query import SORT_WORDS, Query, Sort
from desktop.classify.gallery_view import LAYOUT_WORDS, GalleryLayout
from desktop.shortcuts import Shortcut, bind
from desktop.translation import tr
from desktop.widgets.plain_text import caption

if TYPE_CHECKING:
    from desktop.classify.page import ClassifyPage

_LAYOUT_KEYS = {GalleryLayout.GRID: Shortcut.SHOW_GRID, GalleryLayout.LIST: Shortcut.SHOW_LIST}


class ViewMenu(QMenu):
    """One order and one layout is checked."""

    def __init__(self, page: ClassifyPage) -> None:
        super().__init__(page)
        self._page = page
        self.addSection(tr("Sort by"))
        sorts = QActionGroup(self)
        self.sorts: dict[Sort, QAction] = {}
        for sort in Sort:
            action = self.addAction(caption(SORT_WORDS[sort]))
            action.triggered.connect(lambda _, sort=sort: page.set_sort(sort))
            self.sorts[sort] = _choice(action, sorts, checked=sort is Sort.NEWEST)
        self.sorts[Sort.LIKENESS].setEnabled(False)
        self.addSection(tr("Show as"))
        layouts = QActionGroup(self)
        self.layouts: dict[GalleryLayout, QAction] = {}
        for layout, keys in _LAYOUT_KEYS.items():
            show = partial(self._show_as, layout)
            action = bind(keys, page, show, LAYOUT_WORDS[layout])
            self.addAction(action)
            self.layouts[layout] = _choice(action, layouts, checked=layout is GalleryLayout.GRID)
        self.map = _choice(
            bind(Shortcut.SHOW_MAP, page, text=tr("Map by likeness")), layouts, checked=False
        )
        self.addAction(self.map)
        self._layout = GalleryLayout.GRID
        self.addSeparator()
        self.stacking = self.addAction(tr("Stack near-duplicates"))
        self.stacking.setCheckable(True)
        self.stacking.setChecked(True)
        self.stacking.toggled.connect(page.grid.shown.set_stacking)

    def leave_map(self) -> None:
        """Show the grid or the list again, whichever was shown before the map."""
        self.layouts[self._layout].trigger()

    def _show_as(self, layout: GalleryLayout) -> None:
        self._layout = layout
        self._page.grid.set_layout(layout)

    def show_query(self, query: Query) -> None:
        """Check the order of `query`."""
        self.sorts[query.sort].setChecked(True)
        self.sorts[Sort.LIKENESS].setEnabled(query.among is not None)


def _choice(action: QAction, group: QActionGroup, *, checked: bool) -> QAction:
    action.setCheckable(True)
    action.setChecked(checked)
    group.addAction(action)
    return action
