"""The Learn page: labels so far, training, and the versions that came of it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from backend.contract import LabelSummary, ModelSummary, TrainingRun
from desktop import theme
from desktop.learn import wording
from desktop.learn.class_bars import ClassBars
from desktop.learn.outbox import OutboxView
from desktop.learn.outbox_notes import OutboxNotes
from desktop.learn.timeline import active_run, entries
from desktop.learn.timeline_list import TimelineList
from desktop.learn.training_strip import TrainingStrip
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.page_header import PageHeader


class LearnPage(QWidget):
    """Shows what the backend knows; the page and its parts emit what a person asks for."""

    learn_requested = Signal()
    classify_requested = Signal()
    """The person wants to go and label photos."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: LabelSummary | None = None
        self._runs: Sequence[TrainingRun] = ()
        self._model: ModelSummary | None = None
        self._outbox = OutboxView()
        self._starting = False
        self._promoting = False

        self.header = PageHeader("Learn")
        self.learn = QPushButton("Learn now")
        theme.set_role(self.learn, "primary")
        self.learn.setAccessibleName("Learn from the labels now")
        self.learn.clicked.connect(self.learn_requested)
        self.header.add(self.learn)
        self.strip = TrainingStrip()
        self.notes = OutboxNotes()

        self.bars = ClassBars()
        self.no_labels = EmptyState(
            "empty-learn",
            "No labels yet",
            "Open a photo in Classify and say whether the answer is right. A dozen photos"
            " are enough to teach a new class.",
            "Go to Classify",
        )
        self.no_labels.action_requested.connect(self.classify_requested)
        self._labels_body = QStackedWidget()
        self._labels_body.addWidget(self.no_labels)
        self._labels_body.addWidget(self.bars)
        self.labels_summary = QLabel()
        theme.set_role(self.labels_summary, "muted")

        self.timeline = TimelineList()
        self.no_versions = QLabel()
        self.no_versions.setWordWrap(True)
        self.no_versions.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.no_versions.setMargin(theme.XL)
        theme.set_role(self.no_versions, "muted")
        self._versions_body = QStackedWidget()
        self._versions_body.addWidget(self.no_versions)
        self._versions_body.addWidget(self.timeline)

        sides = QSplitter(Qt.Orientation.Horizontal)
        sides.setChildrenCollapsible(False)
        sides.addWidget(_column("Labels", self.labels_summary, self._labels_body))
        sides.addWidget(_column("Versions and training runs", None, self._versions_body))
        sides.setStretchFactor(0, 1)
        sides.setStretchFactor(1, 2)
        sides.setSizes([320, 640])

        strips = QVBoxLayout()
        strips.setContentsMargins(theme.L, 0, theme.L, 0)
        strips.setSpacing(theme.M)
        strips.addWidget(self.strip)
        strips.addWidget(self.notes)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addLayout(strips)
        layout.addWidget(sides, 1)
        self.show_unavailable("The backend is starting.")

    def show_labels(self, labels: LabelSummary) -> None:
        self._labels = labels
        self.labels_summary.setText(wording.labels_sentence(labels))
        self.bars.show_counts(labels.classes)
        self._labels_body.setCurrentIndex(1 if labels.total else 0)
        self._show_next_step()

    def show_runs(self, runs: Sequence[TrainingRun]) -> None:
        self._runs = runs
        run = active_run(runs)
        if run is not None:
            self._starting = False
        self.strip.show_run(run)
        self._show_timeline()
        self._show_next_step()

    def show_model(self, model: ModelSummary | None) -> None:
        """Show the versions of the model that is served; None where there is none."""
        self._model = model
        self._show_timeline()

    def show_outbox(self, outbox: OutboxView) -> None:
        self._outbox = outbox
        self.notes.show_outbox(outbox)
        self._show_next_step()

    def show_starting(self, starting: bool) -> None:
        """Between the press of the button and the backend's answer."""
        self._starting = starting
        self._show_next_step()

    def show_promoting(self, promoting: bool) -> None:
        """While a version is being promoted."""
        self._promoting = promoting
        self._show_timeline()

    def show_unavailable(self, sentence: str) -> None:
        """Say why nothing is known, until something is."""
        if self._labels is None:
            self.header.sentence.setText(sentence)
            self.learn.setEnabled(False)
        if self._model is None:
            self.no_versions.setText(sentence)

    def _show_next_step(self) -> None:
        if self._labels is None:
            return
        self.header.sentence.setText(wording.next_step(self._labels))
        something = bool(self._labels.total or self._outbox.pending or self._runs)
        self.learn.setEnabled(something and not self._starting and active_run(self._runs) is None)
        self.learn.setToolTip("" if something else "Label a photo first")

    def _show_timeline(self) -> None:
        versions = self._model.versions if self._model else []
        live = self._model.live_version if self._model else None
        found = entries(versions, self._runs)
        self.timeline.show_entries(found, live, busy=self._promoting)
        self._versions_body.setCurrentIndex(1 if found else 0)
        if self._labels is not None and not found:
            self.no_versions.setText("There is no version yet. Import a model to have one.")


def _column(title: str, summary: QLabel | None, body: QWidget) -> QFrame:
    heading = QLabel(title)
    theme.set_role(heading, "heading")
    line = QHBoxLayout()
    line.setSpacing(theme.S)
    line.addWidget(heading)
    if summary is not None:
        line.addWidget(summary)
    line.addStretch(1)
    column = QFrame()
    column.setMinimumWidth(220)
    layout = QVBoxLayout(column)
    layout.setContentsMargins(theme.L, theme.M, theme.L, theme.L)
    layout.setSpacing(theme.S)
    layout.addLayout(line)
    layout.addWidget(body, 1)
    return column
