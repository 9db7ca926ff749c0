"""The suggestion what to do about the engine, or the work that a person started there."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFrame,
    QProgressBar,
    QWidget,
)

from desktop import theme
from desktop.fleet.engines import EngineAction, EngineSuggestion
from desktop.jobs import Job
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import FileDialog, TextDialog
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.wrapping_row import WrappingRow
from serving.engines.docker.image.constants import OFFICIAL_IMAGE

_MIN_WORDS_WIDTH = 360
"""Pixels of the text beside the buttons, which go under it where there is less."""


class EngineStrip(QWidget):
    """Shows a suggestion with its buttons, or running work; hidden without either."""

    pull_requested = Signal(str)
    """The name of an image."""
    load_requested = Signal(Path)
    build_requested = Signal()
    move_requested = Signal()
    dismiss_requested = Signal(str)
    """The value of the EngineAction that is not to be suggested any more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        panel = QFrame()
        theme.set_role(panel, "panel")
        self._suggestion: EngineSuggestion | None = None
        self._dismissed = ""
        self._job: Job[Any] | None = None

        self.heading = PlainLabel(role="heading")
        self.sentence = PlainLabel(role="muted", wrap=True)
        self.sentence.setFont(theme.font(numbers=True))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.pull = build.button(tr("Pull TensorFlow Serving"), role="primary")
        self.load = build.button(tr("Load from a file…"))
        self.build = build.button(tr("Build our own"))
        self.move_instances = build.button(tr("Move them"), role="primary")
        self.cancel = build.button(tr("Cancel"))
        self.later = build.button(tr("Not now"), role="quiet")
        self.pull.clicked.connect(lambda: self.pull_requested.emit(OFFICIAL_IMAGE))
        self.load.clicked.connect(self.open_file_dialog)
        self.build.clicked.connect(self.build_requested)
        self.move_instances.clicked.connect(self.move_requested)
        self.cancel.clicked.connect(self._cancel_job)
        self.later.clicked.connect(self._dismiss)

        self._buttons = {
            EngineAction.GET_IMAGE: (self.build, self.load, self.pull),
            EngineAction.MOVE: (self.move_instances,),
        }
        buttons = (*chain(*self._buttons.values()), self.cancel, self.later)
        words = QWidget()
        build.column(self.heading, self.sentence, self.bar, parent=words, spacing=theme.XS)
        row = WrappingRow(
            words, WrappingRow(*buttons), words=words, min_words=_MIN_WORDS_WIDTH, spacing=theme.M
        )
        build.column(row, parent=panel, margins=(theme.L, theme.M, theme.M, theme.M))
        build.column(panel, parent=self, margins=(theme.L, 0, theme.L, theme.M))
        self._show()

    def show_suggestion(self, suggestion: EngineSuggestion | None) -> None:
        """Show a suggestion, unless a person dismissed its action."""
        if suggestion != self._suggestion:
            self._suggestion = suggestion
            self._show()

    def set_dismissed(self, action: str) -> None:
        """Do not suggest the EngineAction with this value any more."""
        self._dismissed = action
        self._show()

    def show_job(self, job: Job[Any] | None) -> None:
        """Show how far a job is; None goes back to the suggestion."""
        self._job = job
        self._show()

    def open_file_dialog(self) -> None:
        """Ask which image file to load."""
        dialog = FileDialog(
            self, tr("Load an image"), "", tr("Image archives (*.tar *.tar.gz *.tgz)")
        )
        dialog.setFileMode(FileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda path: self.load_requested.emit(Path(path)))
        dialog.open()

    def open_name_dialog(self) -> None:
        """Ask which image to pull."""
        dialog = TextDialog(
            self,
            tr("Pull an image"),
            tr("Name of an image with TensorFlow Serving, or with a server that takes its flags"),
        )
        dialog.setTextValue(OFFICIAL_IMAGE)
        dialog.setOkButtonText(tr("Pull"))
        dialog.setMinimumWidth(420)
        dialog.textValueSelected.connect(self._pull)
        dialog.open()

    def _pull(self, name: str) -> None:
        if name.strip():
            self.pull_requested.emit(name.strip())

    def _show(self) -> None:
        job, suggestion = self._job, self._suggestion
        if job is not None or (suggestion and suggestion.action.value == self._dismissed):
            suggestion = None
        for action, buttons in self._buttons.items():
            for button in buttons:
                button.setVisible(suggestion is not None and suggestion.action is action)
        self.later.setVisible(suggestion is not None)
        self.cancel.setVisible(job is not None)
        self.bar.setVisible(job is not None)
        if job is not None:
            self.heading.setText(job.title)
            self.sentence.setText(translated(job.text) or tr("Asking the container engine."))
            self.bar.setRange(0, job.total)
            self.bar.setValue(job.done)
            self.bar.setAccessibleName(f"{job.title}: {translated(job.text)}")
        elif suggestion is not None:
            self.heading.setText(suggestion.heading)
            self.sentence.setText(suggestion.sentence)
        self.setVisible(job is not None or suggestion is not None)

    def _cancel_job(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _dismiss(self) -> None:
        if self._suggestion is not None:
            action = self._suggestion.action.value
            self.set_dismissed(action)
            self.dismiss_requested.emit(action)
