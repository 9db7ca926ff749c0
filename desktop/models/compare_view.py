"""Two versions on the same photos: which answers changed, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QStackedWidget, QWidget

from backend.contract import Comparison, VersionSummary
from desktop import theme
from desktop.formats import percent, plural
from desktop.models.photo_grid import PhotoGrid, PhotoTile, TileLine
from desktop.models.pictures import Pictures
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox


class CompareView(QWidget):
    """Asks which two versions, and shows what they answer for the labelled photos."""

    compare_requested = Signal(int, int)
    """The numbers of two versions."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self._numbers: list[int] = []
        self._comparisons: Sequence[Comparison] = ()
        self.first = ComboBox("The first version")
        self.second = ComboBox("The second version")
        self.compare = build.button("Compare", role="primary")
        self.only_changed = QCheckBox("Only answers that changed")
        self.only_changed.setChecked(True)
        self.sentence = build.label("", "muted", wrap=True)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.grid = PhotoGrid(pictures, "Photos with the answers of both versions")
        self._body = QStackedWidget()
        self._note = build.label("", "muted", wrap=True)
        self._note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._body.addWidget(self._note)
        self._body.addWidget(self.grid)
        build.column(
            build.row(self.first, build.label("and", "muted"), self.second, self.compare, None),
            build.row((self.sentence, 1), self.only_changed),
            (self._body, 1),
            parent=self,
            spacing=theme.M,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self.compare.clicked.connect(self._request)
        self.only_changed.toggled.connect(self._show)
        for box in (self.first, self.second):
            box.currentIndexChanged.connect(self._enable)
        self.show_versions((), None)

    def show_versions(self, versions: Sequence[VersionSummary], live: int | None) -> None:
        """Offer `versions`, newest first; those that are selected stay so."""
        numbers = [each.number for each in versions]
        if numbers == self._numbers and numbers:
            return
        self._numbers = numbers
        before = (self.first.currentData(), self.second.currentData())
        for box in (self.first, self.second):
            box.blockSignals(True)
            box.clear()
            for number in numbers:
                box.addItem(f"v{number}{', live' if number == live else ''}", number)
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
        if comparing:
            self._comparisons = ()
            self._show()
            self._note.setText("Both versions look at the photos.")
        else:
            self._enable()

    def show_comparisons(self, comparisons: Sequence[Comparison]) -> None:
        self._comparisons = comparisons
        self._show()
        if not comparisons:
            self._note.setText("There is no labelled photo to compare on.")

    def clear(self) -> None:
        """Forget the answers: another model is shown."""
        self._numbers = []
        self._comparisons = ()
        self._show()

    def _request(self) -> None:
        self.compare_requested.emit(self.first.currentData(), self.second.currentData())

    def _enable(self) -> None:
        different = self.first.currentData() != self.second.currentData()
        self.compare.setEnabled(len(self._numbers) > 1 and different)

    def _show(self) -> None:
        self.sentence.setText(comparison_sentence(self._comparisons))
        self.only_changed.setVisible(bool(self._comparisons))
        shown = [
            each
            for each in self._comparisons
            if not self.only_changed.isChecked() or each.answers[0] != each.answers[1]
        ]
        names = (self.first.currentData(), self.second.currentData())
        self.grid.show_tiles([_tile(each, names) for each in shown])
        self._body.setCurrentWidget(self.grid if shown else self._note)
        if len(self._numbers) < 2:
            self._note.setText("There is one version. Compare when there is another.")
        elif not self._comparisons:
            self._note.setText("See on the labelled photos which answers changed.")
        elif not shown:
            self._note.setText("Both versions answer every photo alike.")


def comparison_sentence(comparisons: Sequence[Comparison]) -> str:
    """Return `12 of 200 answers changed: 9 became right, 2 became wrong`."""
    if not comparisons:
        return ""
    changed = [each for each in comparisons if each.answers[0] != each.answers[1]]
    better = sum(each.label == each.answers[1] for each in changed if each.label)
    worse = sum(each.label == each.answers[0] for each in changed if each.label)
    text = f"{len(changed):,} of {plural(len(comparisons), 'answer')} changed"
    return f"{text}: {better:,} became right, {worse:,} became wrong." if changed else f"{text}."


def _tile(each: Comparison, numbers: tuple[object, object]) -> PhotoTile:
    lines = [TileLine(each.label or "Not labelled", "text" if each.label else "muted")]
    for number, answer, score in zip(numbers, each.answers, each.scores, strict=True):
        right = answer == each.label
        mark = "" if not each.label else "check" if right else "close"
        token = "muted" if not each.label else "text" if right else "failed"
        lines.append(TileLine(f"v{number} {answer} {percent(score)}", token, mark))
    return PhotoTile(each.image, tuple(lines))
