"""Two versions on the same photos: which answers changed, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QPlainTextEdit, QStackedWidget, QWidget

from backend.contract import Comparison, VersionSummary
from desktop import theme
from desktop.formats import percent, short_hash
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions import wording
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.photo_grid import PhotoGrid, PhotoTile, TileLine
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line


class CompareView(QWidget):
    """Asks which two versions and on which photos, and shows what they answer for them."""

    compare_requested = Signal(int, int, bool)
    """The numbers of two versions; whether on the photos of the history, not the labelled ones."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self._numbers: list[int] = []
        self._live: int | None = None
        self._comparisons: Sequence[Comparison] = ()
        self._unreadable: Sequence[Comparison] = ()
        self._compared: tuple[object, object] = (None, None)
        """The versions whose answers are shown, whatever is selected by now."""
        self.first = ComboBox(tr("The first version"))
        self.second = ComboBox(tr("The second version"))
        self.photos = ComboBox(
            tr("The photos to compare on"),
            [(False, tr("labelled photos")), (True, tr("photos of the history"))],
        )
        self.compare = build.button(tr("Compare"), role="primary")
        self.only_changed = QCheckBox(tr("Only answers that changed"))
        self.only_changed.setChecked(True)
        self.sentence = PlainLabel("", "muted", wrap=True)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.grid = PhotoGrid(pictures, tr("Photos with the answers of both versions"))
        self.unreadable = QPlainTextEdit()
        self.unreadable.setReadOnly(True)
        self.unreadable.setAccessibleName(tr("Photos that cannot be read"))
        self.unreadable.setFont(theme.monospace(theme.Size.SMALL))
        self.unreadable.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.unreadable.setFixedHeight(72)
        self._body = QStackedWidget()
        self.note = PlainLabel("", "muted", wrap=True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._body.addWidget(self.note)
        self._body.addWidget(self.grid)
        build.column(
            build.row(self.first, PlainLabel(tr("and"), "muted"), self.second, None),
            build.row(PlainLabel(tr("on"), "muted"), self.photos, self.compare, None),
            build.row((self.sentence, 1), self.only_changed),
            (self._body, 1),
            self.unreadable,
            parent=self,
            spacing=theme.M,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self.compare.clicked.connect(self._request)
        self.only_changed.toggled.connect(self._show)
        for box in (self.first, self.second):
            box.currentIndexChanged.connect(self._enable)
        self.photos.currentIndexChanged.connect(self._forget)
        self.show_versions((), None)

    def show_versions(self, versions: Sequence[VersionSummary], live: int | None) -> None:
        """Offer `versions`, newest first; those that are selected stay so."""
        numbers = [each.number for each in versions]
        if (numbers, live) == (self._numbers, self._live) and numbers:
            return
        self._numbers, self._live = numbers, live
        before = (self.first.currentData(), self.second.currentData())
        for box in (self.first, self.second):
            box.blockSignals(True)
            box.clear()
            for number in numbers:
                name = tr("v{number}, live", number=number) if number == live else f"v{number}"
                box.add(name, number)
            box.blockSignals(False)
        newest = numbers[0] if numbers else None
        former = numbers[1] if len(numbers) > 1 else newest
        first = before[0] if before[0] in numbers else former
        second = before[1] if before[1] in numbers else newest
        self.first.select(first)
        self.second.select(second)
        self._enable()
        self._show()

    def select(self, first: int, second: int) -> None:
        """Select two versions."""
        self.first.select(first)
        self.second.select(second)

    def show_comparing(self, comparing: bool) -> None:
        """Disable the button while the answers are fetched."""
        self.compare.setEnabled(not comparing)
        self.photos.setEnabled(not comparing)
        if comparing:
            self._forget()
            self.note.setText(tr("Both versions look at the photos."))
        else:
            self._enable()

    def show_comparisons(self, comparisons: Sequence[Comparison]) -> None:
        """Show the answers, and name the photos that could not be read."""
        self._comparisons = [each for each in comparisons if not each.problem]
        self._unreadable = [each for each in comparisons if each.problem]
        self._show()
        if self._comparisons:
            return
        if self.photos.currentData():
            self.note.setText(
                tr("None of the photos of the history can be read.")
                if self._unreadable
                else tr("There is no photo in the history to compare on.")
            )
        else:
            self.note.setText(
                tr("None of the labelled photos can be read. `servery doctor` names them.")
                if self._unreadable
                else tr("There is no labelled photo to compare on.")
            )

    def clear(self) -> None:
        """Forget the answers: another model is shown."""
        self._numbers = []
        self._forget()

    def _forget(self) -> None:
        self._comparisons = self._unreadable = ()
        self._show()

    def _request(self) -> None:
        self._compared = self.first.currentData(), self.second.currentData()
        self.compare_requested.emit(*self._compared, self.photos.currentData())

    def _enable(self) -> None:
        different = self.first.currentData() != self.second.currentData()
        self.compare.setEnabled(len(self._numbers) > 1 and different)

    def _show(self) -> None:
        self.sentence.setText(wording.comparison_sentence(self._comparisons, len(self._unreadable)))
        self.unreadable.setVisible(bool(self._unreadable))
        self.unreadable.setPlainText(
            "\n".join(
                one_line(
                    f"{each.file or short_hash(each.image)}    {translated(each.problem)}", 1000
                )
                for each in self._unreadable
            )
        )
        self.only_changed.setVisible(bool(self._comparisons))
        shown = [
            each
            for each in self._comparisons
            if not self.only_changed.isChecked() or each.answers[0] != each.answers[1]
        ]
        self.grid.show_tiles([_tile(each, self._compared) for each in shown])
        self._body.setCurrentWidget(self.grid if shown else self.note)
        if len(self._numbers) < 2:
            self.note.setText(tr("There is one version. Compare when there is another."))
        elif not self._comparisons:
            self.note.setText(
                tr("See on the photos of the history which answers changed.")
                if self.photos.currentData()
                else tr("See on the labelled photos which answers changed.")
            )
        elif not shown:
            self.note.setText(tr("Both versions answer every photo alike."))


def _tile(each: Comparison, numbers: tuple[object, object]) -> PhotoTile:
    lines = [TileLine(each.label or tr("Not labelled"), "text" if each.label else "muted")]
    for number, answer, score in zip(numbers, each.answers, each.scores, strict=True):
        right = answer == each.label
        mark = "" if not each.label else "check" if right else "close"
        token = "muted" if not each.label else "text" if right else "failed"
        lines.append(TileLine(f"v{number} {answer}", token, mark, percent(score)))
    return PhotoTile(Path(each.file) if each.file else each.image, tuple(lines))
