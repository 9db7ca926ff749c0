"""Walks through a window by the Tab key, as somebody does who has no mouse."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QTabBar,
    QWidget,
)

from tests.support.waiting import TIMEOUT_SECONDS

_CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTabBar,
)
_MAX_STOPS = 200
_LOOKS, _PAUSE_MILLISECONDS = 3, 20


@dataclass
class Walk:
    """Where the Tab key led."""

    stops: list[QWidget] = field(default_factory=list)
    unseen: list[QWidget] = field(default_factory=list)
    """Stops that look the same with and without the focus."""
    nameless: list[QWidget] = field(default_factory=list)
    """Stops of which a screen reader has nothing to say."""


def walk(window: QWidget) -> Walk:
    """Press Tab until the focus comes back to where it was."""
    found = Walk()
    _activate(window.window())
    for _ in range(_MAX_STOPS):
        before = QApplication.focusWidget()
        with_focus = _picture(before)
        QTest.keyClick(window.windowHandle(), Qt.Key.Key_Tab)
        after = QApplication.focusWidget()
        if before is not None and before is not after and _picture(before) == with_focus:
            found.unseen.append(before)
        if after is None or after in found.stops:
            break
        found.stops.append(after)
        if not _name(after):
            found.nameless.append(after)
    # Once more: the first of them may have been painted before the window was the active one.
    found.unseen = [each for each in found.unseen if _looks_the_same(each)]
    return found


def _looks_the_same(widget: QWidget) -> bool:
    for _ in range(_LOOKS):
        if not widget.isVisible():  # the page has put something else in its place
            return False
        _activate(widget.window())
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        with_focus = _picture(widget)
        QTest.keyClick(widget.window().windowHandle(), Qt.Key.Key_Tab)
        if _picture(widget) != with_focus:
            return False
        QTest.qWait(_PAUSE_MILLISECONDS)
    return True


def _activate(window: QWidget) -> None:
    """Make a window the active one: what has the focus shows it only there."""
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, int(TIMEOUT_SECONDS * 1000))


def controls(window: QWidget) -> list[QWidget]:
    """Return what a person can use in a window now, apart from parts of other controls."""
    return [
        each
        for each in window.findChildren(QWidget)
        if isinstance(each, _CONTROLS)
        and each.isVisible()
        and each.isEnabled()
        and not isinstance(each.parent(), (QAbstractSpinBox, QComboBox, QTabBar))
        and not (isinstance(each, QTabBar) and each.count() < 2)
        and not isinstance(each, QHeaderView)
        and not each.objectName().startswith("qt_")
    ]


def missed(window: QWidget, found: Walk) -> list[QWidget]:
    """Return the controls that Tab did not lead to; the arrow keys lead on in a group of which
    one is checked at a time."""
    groups = [
        set(map(id, each.group().buttons()))
        for each in found.stops
        if isinstance(each, QAbstractButton) and each.group() is not None
    ]
    return [
        each
        for each in controls(window)
        if each not in found.stops
        and not any(id(each) in group for group in groups)
        and not _shares_stop(each, found)
    ]


def _shares_stop(widget: QWidget, found: Walk) -> bool:
    """Whether it is one of several radio buttons, of which the checked one is a stop."""
    return (
        isinstance(widget, QAbstractButton)
        and widget.autoExclusive()
        and any(
            isinstance(each, QAbstractButton)
            and each.autoExclusive()
            and each.parent() is widget.parent()
            for each in found.stops
        )
    )


def describe(widget: QWidget) -> str:
    parent = widget.parent()
    return f"{type(widget).__name__} {_name(widget)!r} in {type(parent).__name__}"


def _name(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or text or widget.toolTip()


def _picture(widget: QWidget | None) -> QImage | None:
    """Return what is seen around a widget: some show the focus on the frame around them."""
    if widget is None:
        return None
    QApplication.processEvents()
    top = widget.window()
    rect = (
        widget.rect().adjusted(-4, -4, 4, 4).translated(widget.mapTo(top, widget.rect().topLeft()))
    )
    return top.grab(rect.intersected(top.rect())).toImage()
