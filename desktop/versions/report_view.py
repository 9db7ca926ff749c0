"""How good a version is: photos a class, what is taken for what, the worst mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QPlainTextEdit, QScrollArea, QWidget

from backend.contract import ClassCount, EvaluationReport, Mistake, PhotoAnswer, TrainingRun
from desktop import theme
from desktop.formats import count, percent, plural
from desktop.service_sentences import translated
from desktop.translation import tr, tr_plural
from desktop.versions import wording
from desktop.widgets import build
from desktop.widgets.class_bars import ClassBars
from desktop.widgets.confusion_matrix import ConfusionMatrix
from desktop.widgets.photo_grid import PhotoGrid, PhotoTile, TileLine
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line
from desktop.widgets.timers import single_shot_timer

_BESIDE = 340
"""Pixels that the photos of a cell need beside the matrix; with less they stand below it."""
_NO_LIMIT = 16_777_215
"""What Qt takes for no maximum of a width."""
_SCROLL_MILLISECONDS = 50
"""Until the photos of a cell that was opened have their place on the page."""
_SELECT = tr("Select a cell to see its photos.")
_BAR_ROWS = 6
"""Rows of the list of classes that are seen without scrolling in it."""


class ReportView(QScrollArea):
    """Shows an EvaluationReport, or a sentence in its place."""

    cell_selected = Signal(str, str)
    """What photos show and what was answered: show them by `show_cell`."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setAccessibleName(tr("Report"))
        self._report: EvaluationReport | None = None
        self._cell = ("", "")
        """What the photos of the selected cell show, and what was answered."""
        self.sentence = PlainLabel("", wrap=True)
        self.certainty = PlainLabel("", "muted", wrap=True)
        self.notes = PlainLabel("", "muted", wrap=True, limit=4000, lines=40)
        self.notes.setTextFormat(Qt.TextFormat.PlainText)
        self.matrix = ConfusionMatrix()
        self.matrix_note = PlainLabel("", "small", wrap=True)
        self.copy = build.button(tr("Copy as text"), "copy", "quiet")
        self.cell_sentence = PlainLabel("", "muted", wrap=True)
        self.cell_photos = PhotoGrid(pictures, tr("Photos of the selected cell"), rows=2)
        self.mistakes_note = PlainLabel("", "small", wrap=True)
        self.mistakes = PhotoGrid(pictures, tr("The photos it is most wrong about"), rows=3)
        self.bars = ClassBars()
        self.bars.setAccessibleName(tr("Photos by class"))
        self.skipped_note = PlainLabel("", "small", wrap=True)
        self.skipped = QPlainTextEdit()
        self.skipped.setReadOnly(True)
        self.skipped.setAccessibleName(tr("Files that were skipped"))
        self.skipped.setFont(theme.monospace(theme.Size.SMALL))
        self.skipped.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.skipped.setFixedHeight(140)
        self.confused_sentence = PlainLabel("", "muted", wrap=True)
        self.confused = PhotoGrid(pictures, tr("Photos that it cannot tell apart"), rows=2)
        for grid in (self.cell_photos, self.mistakes, self.confused):
            grid.ground = "raised"
        self._confused_panel = _panel(tr("Confused classes"), self.confused_sentence, self.confused)
        self._cell_side = QWidget()
        build.column(self.cell_sentence, self.cell_photos, None, parent=self._cell_side)
        matrix = QWidget()
        self._matrix_row = build.row(
            self.matrix, (self._cell_side, 1), parent=matrix, spacing=theme.M
        )
        self._matrix_panel = _panel(
            tr("Confusion matrix"), matrix, self.matrix_note, aside=self.copy
        )
        self._mistakes_panel = _panel(
            tr("Most confident mistakes"), self.mistakes_note, self.mistakes
        )
        self._bars_panel = _panel(tr("Photos a class"), self.bars)
        self._skipped_panel = _panel(tr("Skipped"), self.skipped_note, self.skipped)
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        build.column(
            self.sentence,
            self.certainty,
            self.notes,
            self._confused_panel,
            self._matrix_panel,
            self._mistakes_panel,
            self._bars_panel,
            self._skipped_panel,
            None,
            parent=inside,
            spacing=theme.M,
            margins=(theme.L, theme.M, theme.L, theme.L),
        )
        self.setWidget(inside)
        self.matrix.cell_selected.connect(self._select_cell)
        self.matrix.cell_opened.connect(self._look_at_cell)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.matrix.text()))
        self._scroll_soon = single_shot_timer(
            _SCROLL_MILLISECONDS, lambda: self.ensureWidgetVisible(self._cell_side), self
        )
        self.show_sentence("")

    def show_sentence(self, sentence: str) -> None:
        """Say why there is no report."""
        self._report = None
        self.sentence.setText(sentence)
        theme.set_role(self.sentence, "muted")
        self.certainty.hide()
        self.notes.hide()
        for panel in self._panels():
            panel.hide()

    def show_report(self, number: int, report: EvaluationReport) -> None:
        """Show how good the version of that number is."""
        self._report, self._cell = report, ("", "")
        self.sentence.setText(
            tr("Version {number}: {report}", number=number, report=wording.report_sentence(report))
        )
        theme.set_role(self.sentence, "heading")
        certainty = wording.certainty_sentence(report.certainty)
        self.certainty.setText(certainty)
        self.certainty.setVisible(bool(certainty))
        self.notes.setText("\n".join(map(one_line, report.notes)))
        self.notes.setVisible(bool(report.notes))
        self.matrix.show_counts(report.classes, report.confusion)
        self._matrix_panel.setVisible(any(any(line) for line in report.confusion))
        shortened = self.matrix.is_shortened
        self.matrix_note.setVisible(shortened)
        self.matrix_note.setText(
            tr(
                "The {shown} of {total} classes with the most mistakes.",
                shown=count(len(self.matrix.classes)),
                total=count(len(report.classes)),
            )
        )
        self.cell_sentence.setText(_SELECT)
        self.cell_photos.hide()
        self._arrange()
        self._show_mistakes(report)
        counts = zip(report.classes, report.photos_per_class, strict=False)
        self.bars.show_counts([ClassCount(name, number, True) for name, number in counts])
        rows = min(_BAR_ROWS, len(report.classes))
        self.bars.setFixedHeight(max(1, rows) * max(1, self.bars.sizeHintForRow(0)) + 2)
        self._bars_panel.setVisible(bool(report.classes))
        self._show_skipped(report)
        self.verticalScrollBar().setValue(0)

    def _show_mistakes(self, report: EvaluationReport) -> None:
        self.mistakes.show_tiles([_tile(each) for each in report.mistakes])
        self._mistakes_panel.setVisible(bool(report.mistakes))
        self.mistakes_note.setText(
            tr("The surest wrong answers first. A wrong label is often among them.")
        )

    def _show_skipped(self, report: EvaluationReport) -> None:
        self._skipped_panel.setVisible(bool(report.skipped))
        reasons = Counter(each.reason for each in report.skipped)
        parts = [f"{plural(number, 'file')}: {reason}" for reason, number in reasons.most_common()]
        self.skipped_note.setText(". ".join(parts))
        self.skipped.setPlainText(
            "\n".join(
                one_line(f"{each.path}    {translated(each.reason)}", 1000)
                for each in report.skipped
            )
        )

    def show_confused(self, run: TrainingRun | None) -> None:
        """Show the photos of classes that a version cannot tell apart; hidden without any."""
        sentence = wording.confused_sentence(run)
        self._confused_panel.setVisible(bool(sentence))
        self.confused_sentence.setText(sentence)
        self.confused.show_tiles(
            [
                PhotoTile(
                    image,
                    (TileLine(tr("{first} or {second}", first=each.first, second=each.second)),),
                )
                for each in (run.confused if run is not None else ())
                for image in each.images
            ]
        )

    def scroll_to_confused(self) -> None:
        self.ensureWidgetVisible(self._confused_panel)

    def show_cell(self, shown: str, answered: str, photos: Sequence[PhotoAnswer]) -> None:
        """Show photos of a cell of the matrix, if it is still the selected one."""
        if self._report is None or (shown, answered) != self._cell:
            return
        number = self._count(shown, answered)
        sentence = tr_plural(
            "{count} photo of {shown} answered {answered}.",
            "{count} photos of {shown} answered {answered}.",
            number,
        ).format(count=count(number), shown=shown, answered=answered)
        if photos and len(photos) < number:
            limit = tr_plural(
                "The first {count} is shown.", "The first {count} are shown.", len(photos)
            ).format(count=count(len(photos)))
            sentence = f"{sentence} {limit}"
        self.cell_sentence.setText(sentence)
        self.cell_photos.show_tiles([_answer_tile(each) for each in photos])
        self.cell_photos.setVisible(bool(photos))

    def _select_cell(self, shown: str, answered: str) -> None:
        self._cell = shown, answered
        self.show_cell(shown, answered, ())
        if self._count(shown, answered):
            self.cell_selected.emit(shown, answered)

    def _look_at_cell(self) -> None:
        """Scroll to the photos of the cell, if they stand below the matrix."""
        if not self._is_wide:
            self._scroll_soon.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    @property
    def _is_wide(self) -> bool:
        return self.viewport().width() >= self.matrix.full_width + _BESIDE + 4 * theme.L

    def _arrange(self) -> None:
        """Have the photos of a cell beside the matrix if there is room, and else below it."""
        direction = QBoxLayout.Direction
        wide = self._is_wide
        self._matrix_row.setDirection(direction.LeftToRight if wide else direction.TopToBottom)
        self.matrix.setMaximumWidth(self.matrix.full_width if wide else _NO_LIMIT)

    def _count(self, shown: str, answered: str) -> int:
        assert self._report is not None
        numbers = {name: number for number, name in enumerate(self._report.classes)}
        return self._report.confusion[numbers[shown]][numbers[answered]]

    def _panels(self) -> tuple[QWidget, ...]:
        return (
            self._confused_panel,
            self._matrix_panel,
            self._mistakes_panel,
            self._bars_panel,
            self._skipped_panel,
        )


def _tile(mistake: Mistake) -> PhotoTile:
    return PhotoTile(
        mistake.image,
        (
            TileLine(mistake.label),
            TileLine(mistake.answered, "failed", "close", percent(mistake.score)),
        ),
    )


def _answer_tile(answer: PhotoAnswer) -> PhotoTile:
    right = answer.label == answer.answered
    token, mark = ("text", "check") if right else ("failed", "close")
    line = TileLine(answer.answered, token, mark, percent(answer.score))
    return PhotoTile(answer.image, (line,) if right else (TileLine(answer.label), line))


def _panel(title: str, *widgets: QWidget, aside: QWidget | None = None) -> QFrame:
    panel = QFrame()
    theme.set_role(panel, "panel")
    heading: PlainLabel = PlainLabel(title, "heading")
    line = build.row(heading, None, *([] if aside is None else [aside]))
    build.column(line, *widgets, parent=panel, margins=(theme.L, theme.M, theme.L, theme.M))
    panel.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return panel
