"""Finds widgets with too little room: they overlap, stick out, or are smaller than they may be.

Qt lays a page out like that once its window is smaller than all that is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QLayout, QSplitter, QStackedWidget, QTabWidget, QWidget

_TOLERANCE = 1
"""Pixels that rounding takes."""
_STYLE_HEIGHT = 4
"""Pixels by which the style sheet's heights differ from Qt's hints."""
_CONTAINERS = (QSplitter, QStackedWidget, QTabWidget)
"""Their hints also count pages that are hidden."""


def crowded_widgets(window: QWidget) -> list[str]:
    """Return each visible widget without the room that it needs, and each two that overlap."""
    found = []
    for parent in (window, *window.findChildren(QWidget)):
        layout = parent.layout()
        if layout is None or not parent.isVisible():
            continue
        parts = [each for each in _widgets(layout) if each.isVisible()]
        for each in parts:
            needs, has = _needs(each), each.size()
            if has.width() + _TOLERANCE < needs.width() or (
                has.height() + _STYLE_HEIGHT < needs.height()
            ):
                sizes = f"{has.width()}x{has.height()} of {needs.width()}x{needs.height()}"
                found.append(f"{_name(each)}: {sizes}")
            around = parent.rect().adjusted(-_TOLERANCE, -_TOLERANCE, _TOLERANCE, _TOLERANCE)
            if not around.contains(each.geometry()):
                found.append(f"{_name(each)} sticks out of {_name(parent)}")
        for one, other in combinations(parts, 2):
            common = one.geometry() & other.geometry()
            if min(common.width(), common.height()) > _TOLERANCE:
                found.append(f"{_name(one)} overlaps {_name(other)}")
    return found


def _needs(widget: QWidget) -> QSize:
    """Return the least that a widget can do with; of what has a layout that is up to its parts."""
    if widget.layout() is not None or isinstance(widget, _CONTAINERS):
        return widget.minimumSize()
    return widget.minimumSizeHint().expandedTo(widget.minimumSize()).boundedTo(widget.maximumSize())


def _widgets(layout: QLayout) -> Iterator[QWidget]:
    for index in range(layout.count()):
        item = layout.itemAt(index)
        if item is None:
            continue
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            yield widget
        elif inner is not None:
            yield from _widgets(inner)


def _name(widget: QWidget) -> str:
    text = getattr(widget, "text", "")
    said = widget.accessibleName() or (text() if callable(text) else "")
    return f"{type(widget).__name__} {said!r}"
