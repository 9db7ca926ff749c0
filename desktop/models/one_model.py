"""One model: its versions on a timeline, the report of the selected one, and a comparison."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QMessageBox,
    QScrollArea,
    QSplitter,
    QTabWidget,
    QWidget,
)

from backend.contract import EvaluationReport, ModelSummary
from desktop import theme
from desktop.formats import count
from desktop.models import wording
from desktop.models.compare_view import CompareView
from desktop.models.report_view import ReportView
from desktop.models.version_row import VersionRow
from desktop.widgets import build
from desktop.widgets.page_header import PageHeader
from desktop.widgets.pictures import Pictures
from desktop.widgets.question import Question

INITIAL_ROWS = 30
"""Versions that are shown until a person asks for the older ones."""
_REFRESH_MILLISECONDS = 30_000


class OneModelView(QWidget):
    """Shows a ModelSummary; signals carry the number of a version of it."""

    back_requested = Signal()
    version_selected = Signal(int)
    promote_requested = Signal(int)
    pin_requested = Signal(int, bool)
    verify_requested = Signal(int)
    trust_requested = Signal(int)
    """Ask whether a version is trusted; see VersionTrust."""
    distrust_requested = Signal(int)
    delete_requested = Signal(int)

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self._model: ModelSummary | None = None
        self._selected: int | None = None
        self._promoting = False
        self._shown = INITIAL_ROWS
        self._rows: dict[int, VersionRow] = {}
        self.header = PageHeader("")
        self.back = build.icon_button("back", "Back to the models", side=20)
        self.back.setToolTip("Back to the models (Esc)")
        self.header.row.insertWidget(0, self.back)
        self.older = build.button("", role="quiet")
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        self._column = build.column(
            self.older, None, parent=inside, spacing=0, margins=(theme.M, 0, theme.S, theme.M)
        )
        timeline = QScrollArea()
        timeline.setAccessibleName("Versions")
        timeline.setFrameShape(QFrame.Shape.NoFrame)
        timeline.setWidgetResizable(True)
        timeline.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        timeline.setMinimumWidth(232)
        timeline.setWidget(inside)
        self.report = ReportView(pictures)
        self.compare = CompareView(pictures)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.report, "Report")
        self.tabs.addTab(self.compare, "Compare versions")
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(1)
        split.addWidget(timeline)
        split.addWidget(self.tabs)
        split.setStretchFactor(1, 1)
        split.setSizes([264, 720])
        build.column(self.header, (split, 1), parent=self, spacing=0)
        self.back.clicked.connect(self.back_requested)
        self.older.clicked.connect(self._show_older)
        escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(self.back_requested)
        self._clock = QTimer(self)
        self._clock.setInterval(_REFRESH_MILLISECONDS)
        self._clock.timeout.connect(self._refresh_times)
        self._clock.start()

    @property
    def model(self) -> str:
        """The name of the model; empty before the first."""
        return self._model.name if self._model is not None else ""

    @property
    def rows(self) -> list[VersionRow]:
        """The rows on screen, newest first."""
        versions = self._model.versions if self._model is not None else []
        return [self._rows[each.number] for each in versions[: self._shown]]

    def show_model(self, model: ModelSummary) -> None:
        """Show the versions of `model`; another model begins with its live version selected."""
        if model.name != self.model:
            self._selected = None
            self._shown = INITIAL_ROWS
            self.compare.clear()
        self._model = model
        self.header.title.setText(model.name)
        state = "Current" if model.current else "Served" if model.served else "Not served"
        self.header.sentence.setText(f"{state}. {wording.contents(model)}")
        self.compare.show_versions(model.versions, model.live_version)
        numbers = [each.number for each in model.versions]
        if self._selected not in numbers:
            live = model.live_version
            self.select(live if live in numbers else next(iter(numbers), None))
        else:
            self._show_rows()

    def select(self, number: int | None) -> None:
        """Select a version, and have its report requested."""
        self._selected = number
        self._show_rows()
        if number is None:
            self.report.show_sentence("There is no version yet.")
        else:
            self.version_selected.emit(number)

    def show_report(self, number: int, report: EvaluationReport | str) -> None:
        """Show the report of a version, or say why there is none, if it is still selected."""
        if number == self._selected:
            if isinstance(report, str):
                self.report.show_sentence(report)
            else:
                self.report.show_report(report)

    def show_promoting(self, promoting: bool) -> None:
        """Disable the buttons of the versions while one is being promoted."""
        self._promoting = promoting
        self._show_rows()

    def _show_rows(self) -> None:
        versions = self._model.versions if self._model is not None else []
        shown = versions[: self._shown]
        by_number = {each.number: each for each in versions}
        for number in self._rows.keys() - {each.number for each in shown}:
            row = self._rows.pop(number)
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        for index, each in enumerate(shown):
            row = self._row_at(index, each.number)
            # One that was not learned here began with what the row says.
            before = by_number.get(each.base_version) if each.base_version else None
            row.show_version(
                each,
                before,
                selected=each.number == self._selected,
                busy=self._promoting,
                first=index == 0,
                last=index == len(versions) - 1,
            )
        hidden = len(versions) - len(shown)
        self.older.setVisible(hidden > 0)
        self.older.setText(f"Show {count(hidden)} older")

    def _row_at(self, index: int, number: int) -> VersionRow:
        assert self._model is not None
        row = self._rows.get(number)
        if row is None:
            version = next(each for each in self._model.versions if each.number == number)
            row = self._rows[number] = VersionRow(version)
            row.selected.connect(self._on_selected)
            row.promote_requested.connect(self.promote_requested)
            row.pin_requested.connect(self.pin_requested)
            row.verify_requested.connect(self.verify_requested)
            row.trust_requested.connect(self.trust_requested)
            row.distrust_requested.connect(self.distrust_requested)
            row.delete_requested.connect(self._ask_to_delete)
            row.compare_requested.connect(self._compare_with_live)
            self._column.insertWidget(index, row)
        elif self._column.indexOf(row) != index:
            self._column.removeWidget(row)
            self._column.insertWidget(index, row)
        return row

    def _on_selected(self, number: int) -> None:
        self.select(number)
        self.tabs.setCurrentWidget(self.report)

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
            "Delete a version",
            f"Delete version {number} of {self.model} for good?",
            "Its files are removed from the disk. The labels that it learned from stay.",
        )
        delete = box.addButton("Delete", QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        delete.clicked.connect(lambda: self.delete_requested.emit(number))
        box.open()

    def _show_older(self) -> None:
        self._shown = len(self._model.versions) if self._model is not None else INITIAL_ROWS
        self._show_rows()

    def _refresh_times(self) -> None:
        for row in self._rows.values():
            row.refresh_time()
