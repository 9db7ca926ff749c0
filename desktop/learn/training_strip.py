"""The progress of the training run that is under way."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFrame,
    QProgressBar,
    QPushButton,
    QWidget,
)

from backend.contract import RunState, TrainingRun
from desktop import theme
from desktop.formats import percent
from desktop.training_runs import step_sentence
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge


class TrainingStrip(QFrame):
    """State, step and progress of a run, and how to cancel it; hidden while there is none."""

    cancel_requested = Signal(str)
    """The id of the run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run_id = ""
        theme.set_role(self, "panel")
        self.badge = StateBadge("queued")
        self.step = ElidedLabel()
        self.share = PlainLabel()
        self.share.setFont(theme.font(numbers=True))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.bar.setAccessibleName(tr("Training progress"))
        self.cancel = QPushButton(tr("Cancel"))
        self.cancel.setAccessibleName(tr("Cancel the training run"))
        self.cancel.clicked.connect(self._cancel)
        line = build.row(self.badge, (self.step, 1), self.share, spacing=theme.M)
        build.row(
            (build.column(line, self.bar), 1),
            self.cancel,
            parent=self,
            spacing=theme.L,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self.hide()

    def show_run(self, run: TrainingRun | None) -> None:
        """Show a run that has not finished, or hide if it is None."""
        self.setVisible(run is not None)
        if run is None:
            return
        if run.id != self._run_id:
            self._run_id = run.id
            self.cancel.setEnabled(True)
        self.badge.set_state(str(run.state))
        self.step.setText(step_sentence(run))
        self.share.setText("" if run.state is RunState.QUEUED else percent(run.progress))
        self.bar.setValue(round(run.progress * 1000))

    def _cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.cancel_requested.emit(self._run_id)
