"""Rows, columns, icons and buttons in one line each."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QBoxLayout,
    QHBoxLayout,
    QLayout,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.widgets import plain_text
from desktop.widgets.plain_label import PlainLabel

Item = QWidget | QLayout | int | None
"""What stands in a row or a column: an int is that much space, None a stretch."""


def row(
    *items: Item | tuple[Item, int],
    parent: QWidget | None = None,
    spacing: int = theme.S,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> QHBoxLayout:
    """Return `items` from left to right; a pair has a stretch factor."""
    layout = QHBoxLayout()
    _fill(layout, items, parent, spacing, margins)
    return layout


def column(
    *items: Item | tuple[Item, int],
    parent: QWidget | None = None,
    spacing: int = theme.S,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> QVBoxLayout:
    """Return `items` from top to bottom; a pair has a stretch factor."""
    layout = QVBoxLayout()
    _fill(layout, items, parent, spacing, margins)
    return layout


def _fill(
    layout: QBoxLayout,
    items: tuple[Item | tuple[Item, int], ...],
    parent: QWidget | None,
    spacing: int,
    margins: tuple[int, int, int, int],
) -> None:
    if parent is not None:
        parent.setLayout(layout)
    layout.setSpacing(spacing)
    layout.setContentsMargins(*margins)
    for each in items:
        item, stretch = each if isinstance(each, tuple) else (each, 0)
        if isinstance(item, QWidget):
            layout.addWidget(item, stretch)
        elif isinstance(item, QLayout):
            layout.addLayout(item, stretch)
        elif item is None:
            layout.addStretch(stretch or 1)
        else:
            layout.addSpacing(item)


def icon(name: str, token: str = "text", side: int = 16) -> PlainLabel:
    """Return an icon that is no button."""
    made = PlainLabel()
    theme.set_icon(made, name, token, side=side)
    return made


def button(text: str, icon: str = "", role: str = "", tip: str = "") -> QPushButton:
    """Return a button with a word on it."""
    made = QPushButton(plain_text.caption(text))
    if role:
        theme.set_role(made, role)
    if icon:
        theme.set_icon(made, icon, side=16)
    made.setToolTip(plain_text.tooltip(tip))
    return made


def icon_button(icon: str, name: str, token: str = "text", side: int = 16) -> QToolButton:
    """Return a quiet button that is an icon alone; `name` is its tooltip and accessible name."""
    made = QToolButton()
    theme.set_role(made, "quiet")
    theme.set_icon(made, icon, token, side=side)
    made.setToolTip(plain_text.tooltip(name))
    made.setAccessibleName(name)
    return made
