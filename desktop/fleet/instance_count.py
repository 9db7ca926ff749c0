"""The control for the number of instances."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QSpinBox, QToolButton, QWidget

from desktop import theme
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.focus import delegate_focus
from desktop.widgets.plain_text import tooltip
from desktop.widgets.timers import single_shot_timer

MAX_INSTANCES = 16
DEBOUNCE_MILLISECONDS = 500
"""From the last press of + or - to the request; Enter does not wait."""

_WITHOUT_ARROWS = """
QSpinBox { padding: 0; min-height: 42px; }
QSpinBox::up-button, QSpinBox::down-button { width: 0; border: none; }
QSpinBox::up-arrow, QSpinBox::down-arrow { image: none; width: 0; height: 0; }
"""
"""With QSpinBox's own NoButtons a style sheet leaves no space for the number."""


class _Number(QSpinBox):
    """A number without arrows; Escape cancels what was typed."""

    escape_pressed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.escape_pressed.emit()
            event.accept()
        else:
            super().keyPressEvent(event)


class InstanceCount(QWidget):
    """A number from 0 to 16, typed or stepped with - and +.

    What a person is changing is never overwritten; several presses of + are one request.
    """

    count_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desired_count = 0
        self._debounce = single_shot_timer(DEBOUNCE_MILLISECONDS, self._request, self)

        self.number = _Number()
        self.number.setRange(0, MAX_INSTANCES)
        self.number.setStyleSheet(_WITHOUT_ARROWS)
        self.number.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.number.setKeyboardTracking(False)
        self.number.setFont(theme.font(theme.Size.TITLE, strong=True, numbers=True))
        self.number.setFixedSize(72, 44)
        self.number.setAccessibleName(tr("Desired instances"))
        self.number.setToolTip(
            tooltip(tr("How many instances should run, 0 to {maximum}", maximum=MAX_INSTANCES))
        )
        self.number.valueChanged.connect(self._on_value_changed)
        self.number.editingFinished.connect(self._request)
        self.number.escape_pressed.connect(self._cancel)

        self.fewer = self._step("minus", tr("One instance fewer"), -1)
        self.more = self._step("plus", tr("One instance more"), +1)
        delegate_focus(self, self.number)

        build.row(self.fewer, self.number, self.more, parent=self, spacing=theme.XS)
        self._enable_steps()

    def show_desired_count(self, count: int) -> None:
        """Show what the fleet aims at, unless a person is changing it right now."""
        self._desired_count = count
        typing = self.number.hasFocus() and self.number.lineEdit().isModified()
        if not self._debounce.isActive() and not typing:
            self._show(count)

    def _step(self, icon: str, name: str, by: int) -> QToolButton:
        button = QToolButton()
        theme.set_icon(button, icon)
        button.setFixedSize(44, 44)
        button.setAccessibleName(name)
        button.setToolTip(tooltip(name))
        button.setAutoRepeat(True)
        button.clicked.connect(lambda: self.number.stepBy(by))
        return button

    def _on_value_changed(self) -> None:
        self._enable_steps()
        self._debounce.start()

    def _request(self) -> None:
        self._debounce.stop()
        self.number.lineEdit().setModified(False)
        if self.number.value() != self._desired_count:
            self._desired_count = self.number.value()
            self.count_requested.emit(self._desired_count)

    def _cancel(self) -> None:
        self._debounce.stop()
        self._show(self._desired_count)

    def _show(self, value: int) -> None:
        self.number.blockSignals(True)
        self.number.setValue(value)
        self.number.blockSignals(False)
        self.number.lineEdit().setModified(False)
        self._enable_steps()

    def _enable_steps(self) -> None:
        self.fewer.setEnabled(self.number.value() > 0)
        self.more.setEnabled(self.number.value() < MAX_INSTANCES)
