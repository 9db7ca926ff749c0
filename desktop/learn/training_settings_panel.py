"""When a model learns by itself, and whether the result goes live without being asked."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QSpinBox, QWidget

from backend.contract import (
    MAX_AFTER_LABELS,
    MAX_QUIET_SECONDS,
    MIN_QUIET_SECONDS,
    TrainingSettings,
)
from desktop import theme
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.timers import single_shot_timer
from desktop.widgets.wrapping_row import WrappingRow

_WAIT_MILLISECONDS = 400
"""After the last change, so that a number that is typed is sent once."""


class TrainingSettingsPanel(QFrame):
    """Shows the settings and emits each change as soon as a control was used."""

    changed = Signal(object)
    """TrainingSettings"""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "panel")
        self._settings = TrainingSettings()
        self.automatic = QCheckBox(tr("Learn by itself"))
        self.labels = _number(tr("New labels after which it learns"), 1, MAX_AFTER_LABELS)
        self.seconds = _number(
            tr("Seconds without a new label after which it learns"),
            MIN_QUIET_SECONDS,
            MAX_QUIET_SECONDS,
        )
        self.promote = QCheckBox(tr("A version that passes the gate goes live by itself"))
        self._words = [
            PlainLabel(text) for text in (tr("after"), tr("new labels, or"), tr("s after the last"))
        ]
        after, then, rest = self._words
        counted, waited = QWidget(), QWidget()
        build.row(after, self.labels, then, parent=counted)
        build.row(self.seconds, rest, parent=waited)
        build.column(
            WrappingRow(self.automatic, counted, waited),
            build.row(self.promote, None),
            parent=self,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self._send_soon = single_shot_timer(_WAIT_MILLISECONDS, self._send, self)
        for check in (self.automatic, self.promote):
            check.toggled.connect(self._on_changed)
        for number in (self.labels, self.seconds):
            number.valueChanged.connect(self._on_changed)
        self.show_settings(self._settings)

    def show_settings(self, settings: TrainingSettings) -> None:
        """Show `settings`, unless they are being changed here at this moment."""
        if self._send_soon.isActive():
            return
        self._settings = settings
        controls = (self.automatic, self.promote, self.labels, self.seconds)
        for control in controls:  # what is shown must not be sent back as a change
            control.blockSignals(True)
        self.automatic.setChecked(settings.automatic)
        self.promote.setChecked(settings.promote)
        self.labels.setValue(settings.after_labels)
        self.seconds.setValue(settings.quiet_seconds)
        for control in controls:
            control.blockSignals(False)
        self._enable()

    def _enable(self) -> None:
        for widget in (self.labels, self.seconds, *self._words):
            widget.setEnabled(self.automatic.isChecked())

    def _on_changed(self) -> None:
        self._enable()
        self._send_soon.start()

    def _send(self) -> None:
        chosen = TrainingSettings(
            self.automatic.isChecked(),
            self.promote.isChecked(),
            self.labels.value(),
            self.seconds.value(),
        )
        if chosen != self._settings:
            self._settings = chosen
            self.changed.emit(chosen)


def _number(name: str, minimum: int, maximum: int) -> QSpinBox:
    made = QSpinBox()
    made.setRange(minimum, maximum)
    made.setAccessibleName(name)
    made.setMinimumWidth(84)
    made.lineEdit().setTextMargins(theme.S, 0, 0, 0)
    return made
