"""Labels that may be wrong, worst first: one key mends each, one keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop.formats import count
from desktop.learn.labelling.answer_view import SKIP_KEY, AnswerView, key_button
from desktop.learn.labelling.doubts import Doubt
from desktop.learn.labelling.photo_stage import PhotoStage
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.photo_grid import PhotoGrid, PhotoTile, TileLine
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel

_LIST_WIDTH = 168


class DoubtsView(AnswerView):
    """A list of doubtful labels, and the photo of the one that is selected, or the two.

    Every answer is about that one; `kept` says that its label is right.
    """

    kept = Signal()
    selected = Signal(int)
    """The number of a doubt in the list."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__("check")
        self.setAccessibleName(tr("Doubtful labels"))
        self._doubts: Sequence[Doubt] = ()
        self._shown: Doubt | None = None
        self.list = PhotoGrid(pictures, tr("Doubtful labels, worst first"))
        self.list.setFixedWidth(_LIST_WIDTH)
        # It would take letters and Enter for itself; the view moves in it.
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.selectionModel().currentChanged.connect(self._on_current)
        self.stage, self.other = PhotoStage(pictures), PhotoStage(pictures)
        self.caption, self.other_caption = ElidedLabel("", "heading"), ElidedLabel("", "heading")
        for caption in (self.caption, self.other_caption):
            caption.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.heading = PlainLabel("", "heading", wrap=True)
        self.sentence = PlainLabel("", "muted", wrap=True)
        self.skip.hide()
        self.position = ElidedLabel("", "small")
        self.keep = key_button(tr("Keep"), SKIP_KEY, tr("The label is right as it is"))
        self.keep.clicked.connect(self.pass_by)
        self._other_side = QWidget()
        build.column(self.other_caption, (self.other, 1), parent=self._other_side)
        photos = build.row((build.column(self.caption, (self.stage, 1)), 1), (self._other_side, 1))
        build.column(
            self.heading,
            self.sentence,
            (self.picker, 1),
            build.row((self.none, 1), (self.keep, 1)),
            build.row((self.position, 1), self.undo),
            parent=self.side,
        )
        self.set_work(self.list, (photos, 1))

    @property
    def doubt(self) -> Doubt | None:
        """The one on the screen."""
        return self._shown

    @property
    def can_answer(self) -> bool:
        return self._shown is not None

    def pass_by(self) -> None:
        if self._shown is not None and not self._shown.disputed:
            self.kept.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # Up and Down go through the list without it, too.
        self.list.setVisible(not self.is_narrow)

    def show_doubts(self, doubts: Sequence[Doubt], current: int) -> None:
        """Show `doubts`, at least one, with the one of the number `current` selected."""
        if doubts != self._doubts:
            self._doubts = doubts
            self.list.show_tiles([_tile(doubt) for doubt in doubts])
        index = self.list.model().index(current, 0)
        if index != self.list.currentIndex():
            self.list.setCurrentIndex(index)
        self._show(doubts[current], [each.image for each in doubts[current + 1 : current + 4]])
        self.position.setText(
            tr("{number} of {total}", number=count(current + 1), total=count(len(doubts)))
        )
        self.show_work()

    def show_empty(self, heading: str, sentence: str, action: str = "") -> None:
        """Say that no label is in doubt, or why that is not known."""
        self._doubts, self._shown = (), None
        self.list.show_tiles(())
        super().show_empty(heading, sentence, action)

    def _show(self, doubt: Doubt, following: Sequence[str]) -> None:
        shown, self._shown = self._shown, doubt
        self.heading.setText(doubt.heading)
        self.sentence.setText(doubt.sentence)
        self.stage.show_photo(
            doubt.image, tr("Photo, labelled {label}", label=doubt.label), following
        )
        self.caption.setText(doubt.label)
        self.caption.setVisible(bool(doubt.other))
        for stage in (self.stage, self.other):
            stage.place_at_top(bool(doubt.other))
        self._other_side.setVisible(bool(doubt.other))
        self.other.show_photo(doubt.other, tr("Photo, labelled {label}", label=doubt.other_label))
        self.other_caption.setText(doubt.other_label)
        self.keep.setVisible(not doubt.disputed)
        if shown != doubt:
            self.picker.show_choices(doubt.choices)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()), 0)
        if step and self._shown is not None:
            number = self._doubts.index(self._shown) + step
            if 0 <= number < len(self._doubts):
                self.selected.emit(number)
        else:
            super().keyPressEvent(event)

    def _on_current(self, index: QModelIndex) -> None:
        if index.isValid():
            self.selected.emit(index.row())


def _tile(doubt: Doubt) -> PhotoTile:
    first = doubt.choices[0].name if doubt.choices else ""
    if doubt.disputed:
        second = TileLine(doubt.heading, "muted")
    elif doubt.other:
        second = TileLine(tr("or {label}?", label=doubt.other_label), "accent")
    elif first and first != doubt.label:
        second = TileLine(tr("{label}?", label=first), "accent")
    else:
        second = TileLine(doubt.flaw or doubt.heading, "muted")
    return PhotoTile(doubt.image, (TileLine(doubt.label), second))
