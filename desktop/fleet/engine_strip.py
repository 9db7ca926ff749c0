"""What can be done about the engine: an image to be had, a move to be made, work on either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.fleet.engines import EngineAction, EngineSuggestion
from desktop.jobs import Job
from serving.engines.docker.image.constants import OFFICIAL_IMAGE

_NARROW = 900
"""Pixels below which the buttons go under the words."""


class EngineStrip(QWidget):
    """Shows an offer with its buttons, or work that somebody started; hidden without either."""

    pull_requested = Signal(str)
    """The name of an image."""
    load_requested = Signal(Path)
    build_requested = Signal()
    move_requested = Signal()
    dismiss_requested = Signal(str)
    """The value of the Way that is not to be offered any more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        panel = QFrame()
        theme.set_role(panel, "panel")
        self._suggestion = EngineSuggestion()
        self._dismissed = ""
        self._job: Job[Any] | None = None

        self.heading, self.sentence = QLabel(), QLabel()
        theme.set_role(self.heading, "heading")
        theme.set_role(self.sentence, "muted")
        self.sentence.setWordWrap(True)
        self.sentence.setFont(theme.font(numbers=True))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.pull = _button("Pull TensorFlow Serving", "primary")
        self.load = _button("Load from a file…")
        self.build = _button("Build our own")
        self.move_instances = _button("Move them", "primary")
        self.cancel = _button("Cancel")
        self.later = _button("Not now", "quiet")
        self.pull.clicked.connect(lambda: self.pull_requested.emit(OFFICIAL_IMAGE))
        self.load.clicked.connect(self.open_file_dialog)
        self.build.clicked.connect(self.build_requested)
        self.move_instances.clicked.connect(self.move_requested)
        self.cancel.clicked.connect(self._cancel_job)
        self.later.clicked.connect(self._dismiss)

        words = QVBoxLayout()
        words.setSpacing(theme.XS)
        words.addWidget(self.heading)
        words.addWidget(self.sentence)
        words.addWidget(self.bar)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.S)
        buttons.addStretch(1)
        self._row = QHBoxLayout(panel)
        self._row.setContentsMargins(theme.L, theme.M, theme.M, theme.M)
        self._row.setSpacing(theme.M)
        self._row.addLayout(words, 1)
        self._row.addLayout(buttons)
        for button in (
            self.build,
            self.load,
            self.pull,
            self.move_instances,
            self.cancel,
            self.later,
        ):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.L, 0, theme.L, theme.M)
        layout.addWidget(panel)
        self._show()

    def show_suggestion(self, suggestion: EngineSuggestion) -> None:
        """Show what is offered, unless that was put off."""
        if suggestion != self._suggestion:
            self._suggestion = suggestion
            self._show()

    def set_dismissed(self, action: str) -> None:
        """Do not offer the Way of this value any more."""
        self._dismissed = action
        self._show()

    def show_job(self, job: Job[Any] | None) -> None:
        """Show how far a job is; None goes back to the offer."""
        self._job = job
        self._show()

    def open_file_dialog(self) -> None:
        """Ask which image file to load."""
        dialog = QFileDialog(self, "Load an image", "", "Image archives (*.tar *.tar.gz *.tgz)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda path: self.load_requested.emit(Path(path)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def open_name_dialog(self) -> None:
        """Ask which image to pull."""
        dialog = QInputDialog(self)
        dialog.setWindowTitle("Pull an image")
        dialog.setLabelText(
            "Name of an image with TensorFlow Serving, or with a server that takes its flags"
        )
        dialog.setTextValue(OFFICIAL_IMAGE)
        dialog.setOkButtonText("Pull")
        dialog.setMinimumWidth(420)
        dialog.textValueSelected.connect(self._pull)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the buttons below the words where both do not fit beside each other."""
        super().resizeEvent(event)
        narrow = self.width() < _NARROW
        direction = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        self._row.setDirection(direction)

    def _pull(self, name: str) -> None:
        if name.strip():
            self.pull_requested.emit(name.strip())

    def _show(self) -> None:
        job, suggestion = self._job, self._suggestion
        offered = job is None and suggestion.action.value not in ("", self._dismissed)
        for button in (self.pull, self.load, self.build):
            button.setVisible(offered and suggestion.action is EngineAction.GET_IMAGE)
        self.move_instances.setVisible(offered and suggestion.action is EngineAction.MOVE)
        self.later.setVisible(offered)
        self.cancel.setVisible(job is not None)
        self.bar.setVisible(job is not None)
        if job is not None:
            self.heading.setText(job.title)
            self.sentence.setText(job.text or "Asking the container engine.")
            self.bar.setRange(0, job.total)
            self.bar.setValue(job.done)
            self.bar.setAccessibleName(f"{job.title}: {job.text}")
        else:
            self.heading.setText(suggestion.heading)
            self.sentence.setText(suggestion.sentence)
        self.setVisible(job is not None or offered)

    def _cancel_job(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _dismiss(self) -> None:
        self.set_dismissed(self._suggestion.action.value)
        self.dismiss_requested.emit(self._suggestion.action.value)


def _button(text: str, role: str = "") -> QPushButton:
    button = QPushButton(text)
    if role:
        theme.set_role(button, role)
    return button
