"""The control by which a person says how many instances there should be."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QSpinBox, QToolButton, QWidget

from desktop import theme

MAX_INSTANCES = 16
DEBOUNCE_MILLISECONDS = 500
"""After the last press of + or -; Enter does not wait."""

_WITHOUT_ARROWS = """
QSpinBox { padding: 0; min-height: 42px; }
QSpinBox::up-button, QSpinBox::down-button { width: 0; border: none; }
QSpinBox::up-arrow, QSpinBox::down-arrow { image: none; width: 0; height: 0; }
"""
"""With QSpinBox's own NoButtons a style sheet leaves no room for the number."""


class _Number(QSpinBox):
    """A number without arrows; Escape gives up what was typed."""

    abandoned = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.abandoned.emit()
            event.accept()
        else:
            super().keyPressEvent(event)


class InstanceCount(QWidget):
    """A number from 0 to 16, typed or stepped with - and +.

    What a person is changing is never overwritten; the change is told once it has
    settled.
    """

    count_requested = Signal(int)
    """How many instances the person wants."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted = 0
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(DEBOUNCE_MILLISECONDS)
        self._settling.timeout.connect(self._choose)

        self.number = _Number()
        self.number.setRange(0, MAX_INSTANCES)
        self.number.setStyleSheet(_WITHOUT_ARROWS)
        self.number.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.number.setKeyboardTracking(False)
        self.number.setFont(theme.font(theme.Size.TITLE, strong=True, numbers=True))
        self.number.setFixedSize(72, 44)
        self.number.setAccessibleName("Wanted instances")
        self.number.setToolTip(f"How many instances should run, 0 to {MAX_INSTANCES}")
        self.number.valueChanged.connect(self._changed)
        self.number.editingFinished.connect(self._choose)
        self.number.abandoned.connect(self._abandon)

        self.fewer = self._step("minus", "One instance fewer", -1)
        self.more = self._step("plus", "One instance more", +1)
        self.setFocusProxy(self.number)

        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.XS)
        for widget in (self.fewer, self.number, self.more):
            layout.addWidget(widget)
        self._enable_steps()

    def show_desired_count(self, wanted: int) -> None:
        """Show what the fleet aims at, unless a person is changing it right now."""
        self._wanted = wanted
        typing = self.number.hasFocus() and self.number.lineEdit().isModified()
        if not self._settling.isActive() and not typing:
            self._show(wanted)

    def _step(self, icon: str, name: str, by: int) -> QToolButton:
        button = QToolButton()
        theme.set_icon(button, icon)
        button.setFixedSize(44, 44)
        button.setAccessibleName(name)
        button.setToolTip(name)
        button.setAutoRepeat(True)
        button.clicked.connect(lambda: self.number.stepBy(by))
        return button

    def _changed(self) -> None:
        self._enable_steps()
        self._settling.start()

    def _choose(self) -> None:
        self._settling.stop()
        self.number.lineEdit().setModified(False)
        if self.number.value() != self._wanted:
            self._wanted = self.number.value()
            self.count_requested.emit(self._wanted)

    def _abandon(self) -> None:
        self._settling.stop()
        self._show(self._wanted)

    def _show(self, value: int) -> None:
        self.number.blockSignals(True)
        self.number.setValue(value)
        self.number.blockSignals(False)
        self.number.lineEdit().setModified(False)
        self._enable_steps()

    def _enable_steps(self) -> None:
        self.fewer.setEnabled(self.number.value() > 0)
        self.more.setEnabled(self.number.value() < MAX_INSTANCES)
