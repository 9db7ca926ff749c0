"""The wheel on a page that scrolls."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QWidget


def leave_wheel_to_page(page: QWidget) -> None:
    """Let the wheel scroll `page` where the pointer is over a number or a list of it, and change
    no value on its way; one that has the keyboard focus takes it."""
    filter_ = _Unfocused(page)
    for box in (*page.findChildren(QAbstractSpinBox), *page.findChildren(QComboBox)):
        # Or the wheel itself would give it the focus.
        box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        box.installEventFilter(filter_)


class _Unfocused(QObject):
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Wheel and isinstance(watched, QWidget):
            if watched.hasFocus():
                return False
            event.ignore()  # which leaves it to what is around
            return True
        return False
