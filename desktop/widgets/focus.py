"""Where the keyboard focus goes when a page or a group of controls gets it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QWidget


def delegate_focus(widget: QWidget, to: QWidget) -> None:
    """Give `to` the focus whenever `widget` gets it; while `to` is hidden, what comes next.

    In place of `setFocusProxy`, which in Qt 6.11 cuts the chain of the Tab key in two: from such a
    page Tab never led out of it again.
    """
    existing = next((each for each in widget.children() if isinstance(each, _Delegate)), None)
    (existing or _Delegate(widget)).target = to


def give_focus(page: QWidget) -> None:
    """Focus a page, or the first control of it that can be used; if there is none, the page."""
    page.setFocusPolicy(page.focusPolicy() or Qt.FocusPolicy.ClickFocus)
    page.setFocus(Qt.FocusReason.OtherFocusReason)
    if page.hasFocus():
        _focus_first_in(page, Qt.FocusReason.OtherFocusReason)


class _Delegate(QObject):
    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.target = widget
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.FocusIn and isinstance(event, QFocusEvent):
            if self.target.isVisible() and self.target.isEnabled():
                self.target.setFocus(event.reason())
            elif isinstance(watched, QWidget):
                _focus_first_in(watched, event.reason())
        return False


def _focus_first_in(widget: QWidget, reason: Qt.FocusReason) -> None:
    """Focus the first control inside of `widget` that Tab would lead to."""
    following = widget.nextInFocusChain()
    while following is not None and following is not widget:
        if (
            widget.isAncestorOf(following)
            and following.isVisible()
            and following.isEnabled()
            and following.focusPolicy().value & Qt.FocusPolicy.TabFocus.value
        ):
            following.setFocus(reason)
            return
        following = following.nextInFocusChain()
