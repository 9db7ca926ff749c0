"""The versions of a model: their timeline, a canary, and details of the selected one.

Both the Learn page and the Models page show one.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QMessageBox, QSplitter, QWidget

from backend.contract import (
    AuditEntry,
    EvaluationReport,
    ModelSummary,
    PhotoAnswer,
    RolloutSummary,
    TrainingRun,
)
from desktop import theme
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions.canary_panel import CanaryPanel
from desktop.versions.compare_view import CompareView
from desktop.versions.history_view import HistoryView
from desktop.versions.report_view import ReportView
from desktop.versions.timeline import entries
from desktop.versions.timeline_list import TimelineList
from desktop.versions.version_row import VersionRow
from desktop.widgets import build
from desktop.widgets.page_body import CurrentTabs
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.question import Question

_MIN_HEIGHT = 200
"""Pixels of the versions and what is known of one, below which the page scrolls."""


class VersionsView(QWidget):
    """Shows a ModelSummary and what is known about its versions; signals carry their numbers."""

    model_changed = Signal()
    """Another model is shown; what was done to its versions is not known yet."""
    version_selected = Signal(int)
    promote_requested = Signal(int)
    pin_requested = Signal(int, bool)
    verify_requested = Signal(int)
    trust_requested = Signal(int)
    """Ask whether a version is trusted; see VersionTrust."""
    distrust_requested = Signal(int)
    delete_requested = Signal(int)
    export_requested = Signal(int)
    image_requested = Signal(int)
    canary_requested = Signal(int)
    end_canary_requested = Signal(int)
    cell_selected = Signal(int, str, str)
    """A version, what photos show, and what it answered: show them by `show_cell`."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self._model: ModelSummary | None = None
        self._runs: Sequence[TrainingRun] = ()
        self._audit: Sequence[AuditEntry] = ()
        self._selected: int | None = None
        self._live: int | None = None
        self._busy = False
        self.canary = CanaryPanel()
        self.rollout = PlainLabel(role="muted", wrap=True)
        """Where the live version is, while it is not live everywhere."""
        self.timeline = TimelineList()
        self.report = ReportView(pictures)
        self.compare = CompareView(pictures)
        self.history = HistoryView()
        self.tabs = CurrentTabs()
        self.tabs.tabBar().setAccessibleName(tr("What is known of the versions"))
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.report, tr("Report"))
        self.tabs.addTab(self.compare, tr("Compare versions"))
        self.tabs.addTab(self.history, tr("History"))
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(1)
        split.addWidget(self.timeline)
        split.addWidget(self.tabs)
        # In a wide window the sentences of the timeline need less height.
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 9)
        split.setSizes([264, 720])
        split.setMinimumHeight(_MIN_HEIGHT)
        self._above = QWidget()
        build.column(
            self.canary,
            self.rollout,
            parent=self._above,
            spacing=theme.S,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        build.column(self._above, (split, 1), parent=self, spacing=0)
        self.rollout.hide()
        self._above.hide()
        self.timeline.row_made.connect(self._connect_row)
        self.canary.promote_requested.connect(self.promote_requested)
        self.canary.end_requested.connect(self.end_canary_requested)
        self.report.cell_selected.connect(self._on_cell)

    @property
    def model(self) -> str:
        """The name of the model; empty before the first."""
        return self._model.name if self._model is not None else ""

    @property
    def summary(self) -> ModelSummary | None:
        """What is shown."""
        return self._model

    @property
    def rows(self) -> list[VersionRow]:
        """The versions on screen, newest first."""
        return self.timeline.versions

    def show_model(self, model: ModelSummary | None) -> None:
        """Show the versions of `model`; another model begins with its live version selected."""
        changes = (model.name if model is not None else "") != self.model
        if changes:
            self._selected = None
            self._runs = self._audit = ()
            self.compare.clear()
            self.history.show_entries(())
            self.show_rollout(None)
        self._model = model
        versions = model.versions if model is not None else []
        live = model.live_version if model is not None else None
        was_live = self._live
        self._live = live
        self.compare.show_versions(versions, live)
        self._show_canary()
        numbers = [each.number for each in versions]
        # One that is selected stays so when another goes live, while a person may be reading.
        follows = self._selected == was_live != live and not self.isVisible()
        if follows or self._selected not in numbers:
            self.select(live if live in numbers else next(iter(numbers), None))
        else:
            self._show_rows()
        if changes:
            self.model_changed.emit()

    def show_runs(self, runs: Sequence[TrainingRun]) -> None:
        """Show the training runs of the model, and what they say about its versions."""
        self._runs = runs
        self._show_rows()
        self.report.show_confused(self._run(self._selected))

    def show_audit(self, audit: Sequence[AuditEntry]) -> None:
        """Show what was done to the versions, the newest first."""
        self._audit = audit
        self.history.show_entries(audit)
        self._show_rows()

    def show_rollout(self, rollout: RolloutSummary | None) -> None:
        """Say where the live version is, unless it is everywhere or nowhere to be."""
        is_on_its_way = rollout is not None and bool(rollout.waiting)
        self.rollout.setVisible(is_on_its_way)
        if rollout is not None:
            self.rollout.setText(translated(rollout.sentence))
            theme.set_role(self.rollout, "error" if rollout.late else "muted")
        self._show_above()

    def select(self, number: int | None) -> None:
        """Select a version, and have its report requested."""
        self._selected = number
        self._show_rows()
        if number is None:
            self.report.show_sentence(tr("There is no version yet."))
        else:
            self.version_selected.emit(number)

    def show_report(self, number: int, report: EvaluationReport | str) -> None:
        """Show the report of a version, or say why there is none, if it is still selected."""
        if number != self._selected:
            return
        if isinstance(report, str):
            self.report.show_sentence(report)
        else:
            self.report.show_report(number, report)
        self.report.show_confused(self._run(number))

    def show_cell(
        self, number: int, shown: str, answered: str, photos: Sequence[PhotoAnswer]
    ) -> None:
        """Show the photos of a cell of the matrix of a version, if it is still selected."""
        if number == self._selected:
            self.report.show_cell(shown, answered, photos)

    def show_promoting(self, promoting: bool) -> None:
        """Disable what changes which version answers, while that is being changed."""
        self._busy = promoting
        self._show_rows()
        self._show_canary()

    def _show_canary(self) -> None:
        self.canary.show_canary(self._model.canary if self._model else None, busy=self._busy)
        self._show_above()

    def _show_above(self) -> None:
        self._above.setVisible(not (self.canary.isHidden() and self.rollout.isHidden()))

    def _show_rows(self) -> None:
        versions = self._model.versions if self._model is not None else []
        found = entries(versions, self._runs, self._audit)
        self.timeline.show_entries(found, self._model, self._selected, busy=self._busy)

    def _run(self, number: int | None) -> TrainingRun | None:
        """Return the run that made a version, if that is known."""
        return next(
            (run for run in self._runs if number is not None and run.version == number), None
        )

    def _connect_row(self, row: VersionRow) -> None:
        row.selected.connect(self._on_selected)
        row.promote_requested.connect(self.promote_requested)
        row.pin_requested.connect(self.pin_requested)
        row.verify_requested.connect(self.verify_requested)
        row.trust_requested.connect(self.trust_requested)
        row.distrust_requested.connect(self.distrust_requested)
        row.canary_requested.connect(self.canary_requested)
        row.confused_requested.connect(self._show_confused)
        row.export_requested.connect(self.export_requested)
        row.image_requested.connect(self.image_requested)
        row.delete_requested.connect(self._ask_to_delete)
        row.compare_requested.connect(self._compare_with_live)

    def _on_selected(self, number: int) -> None:
        self.select(number)
        self.tabs.setCurrentWidget(self.report)

    def _show_confused(self, number: int) -> None:
        self._on_selected(number)
        self.report.scroll_to_confused()

    def _on_cell(self, shown: str, answered: str) -> None:
        if self._selected is not None:
            self.cell_selected.emit(self._selected, shown, answered)

    def _compare_with_live(self, number: int) -> None:
        live = self._model.live_version if self._model is not None else None
        if live is not None:
            self.tabs.setCurrentWidget(self.compare)
            self.compare.select(live, number)
            self.compare.compare.click()

    def _ask_to_delete(self, number: int) -> None:
        """Ask before a version is deleted, which cannot be undone."""
        box = Question(
            self,
            tr("Delete a version"),
            tr("Delete version {number} of {model} for good?", number=number, model=self.model),
            tr("Its files are removed from the disk. The labels that it learned from stay."),
        )
        delete = box.addButton(tr("Delete"), QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        delete.clicked.connect(lambda: self.delete_requested.emit(number))
        box.open()
