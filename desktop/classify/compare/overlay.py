"""Two versions or two models on the same photos, over the Classify page."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QMimeData, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QSizePolicy, QStackedWidget, QWidget

from desktop import theme
from desktop.classify.compare.answers import (
    PhotoComparison,
    VersionChoice,
    comparison_sentence,
    comparison_table,
)
from desktop.classify.compare.rows import ComparedRows
from desktop.classify.thumbnails import Thumbnails
from desktop.formats import count, plural
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.plain_label import PlainLabel


class CompareOverlay(QFrame):
    """Covers `over` until it is left. Asks which two versions, and shows what they answer."""

    compare_requested = Signal(object, object)
    """Two VersionChoices."""
    cancel_requested = Signal()
    left = Signal()

    def __init__(self, thumbnails: Thumbnails, over: QWidget) -> None:
        super().__init__(over)
        theme.set_role(self, "pane")
        self._over = over
        self._compared: Sequence[PhotoComparison] = ()
        self._names = ("", "")
        self._running = False
        self.title = PlainLabel(tr("Compare answers"), "title")
        self.photos = PlainLabel("", "muted")
        self.close_button = build.icon_button("close", tr("Back to the photos (Escape)"), side=20)
        self.first = ComboBox(tr("The first version"))
        self.second = ComboBox(tr("The second version"))
        self.compare = build.button(tr("Compare"), role="primary")
        self.cancel = build.button(tr("Cancel"))
        self.only_changed = QCheckBox(tr("Only answers that changed"))
        self.copy_table = build.button(tr("Copy table"), "copy", "quiet")
        self.sentence = PlainLabel("", "muted", wrap=True)
        self.rows = ComparedRows(thumbnails)
        self.names = (_heading(), _heading())
        self.note = PlainLabel("", "muted", wrap=True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._choices = QWidget()
        build.row(
            (self.first, 1),
            PlainLabel(tr("and"), "muted"),
            (self.second, 1),
            self.compare,
            self.cancel,
            parent=self._choices,
        )
        self._body = QStackedWidget()
        self._body.addWidget(self.note)
        answers = QWidget()
        # Above the bars that are theirs.
        margins = (self.rows.bars_left, 0, self.rows.bars_right, 0)
        names = build.row(*((name, 1) for name in self.names), spacing=theme.L, margins=margins)
        build.column(names, (self.rows, 1), parent=answers, spacing=theme.XS)
        self._answers = answers
        self._body.addWidget(answers)
        build.column(
            build.row(self.title, theme.S, (self.photos, 1), self.close_button),
            self._choices,
            build.row((self.sentence, 1), self.only_changed, self.copy_table),
            (self._body, 1),
            parent=self,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )  # fmt: skip
        self.compare.clicked.connect(
            lambda: self.compare_requested.emit(self.first.currentData(), self.second.currentData())
        )
        self.cancel.clicked.connect(self.cancel_requested)
        self.close_button.clicked.connect(self.leave)
        self.only_changed.toggled.connect(self._show)
        self.copy_table.clicked.connect(self._copy_table)
        for box in (self.first, self.second):
            box.currentIndexChanged.connect(self._enable)
        self.hide()

    def open(self, photo_count: int) -> None:
        """Appear, for so many photos."""
        self._compared = ()
        self.photos.setText(tr("on {photos}", photos=plural(photo_count, "photo")))
        self.show_running(False)
        self.setGeometry(self._over.rect())
        self.show()
        self.raise_()
        self.first.setFocus(Qt.FocusReason.PopupFocusReason)

    def leave(self) -> None:
        self.hide()
        self.left.emit()

    def show_choices(
        self, choices: Sequence[VersionChoice], pair: tuple[VersionChoice, VersionChoice] | None
    ) -> None:
        """Offer `choices`, with `pair` selected."""
        for place, box in enumerate((self.first, self.second)):
            box.clear()
            for choice in choices:
                box.add(choice.words, choice)
            if pair is not None:
                box.select(pair[place])
        self._choices.setVisible(pair is not None)
        self._enable()
        if pair is None:
            self.show_note(
                tr(
                    "There is one version of one model. Teach it, or add a model"
                    " on the Models page, then compare."
                )
            )
        else:
            self.show_note(tr("See which answers changed, photo by photo."))

    def show_note(self, sentence: str) -> None:
        """Say `sentence` in place of the photos."""
        self.note.setText(sentence)
        self._body.setCurrentWidget(self.note)

    def show_running(self, running: bool) -> None:
        """Offer to cancel while answers are on their way, and to compare otherwise."""
        self._running = running
        self.cancel.setVisible(running)
        self.compare.setVisible(not running)
        if running:
            self._compared = ()
        self._enable()
        self._show()

    def show_comparison(self, compared: Sequence[PhotoComparison], names: tuple[str, str]) -> None:
        """Show the answers of the versions called `names`."""
        self._compared, self._names = compared, names
        for heading, name in zip(self.names, names, strict=True):
            heading.setText(name)
        self.only_changed.setChecked(any(each.changed for each in compared))
        self._show()
        self.rows.setFocus()

    def event(self, event: QEvent) -> bool:
        # Keys are for what is seen before they are shortcuts of the page below.
        if (
            event.type() is QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.leave()

    def _show(self) -> None:
        has_any = bool(self._compared)
        changed = sum(each.changed for each in self._compared)
        self.only_changed.setText(tr("Only answers that changed ({count})", count=count(changed)))
        for part in (self.only_changed, self.copy_table):
            part.setVisible(has_any)
        self.sentence.setText(comparison_sentence(self._compared) if has_any else "")
        only = self.only_changed.isChecked()
        shown = [each for each in self._compared if each.changed or not only]
        self.rows.show_rows(shown, self._names)
        if shown:
            self._body.setCurrentWidget(self._answers)
        elif has_any:
            self.show_note(tr("Both answer every photo alike."))

    def _enable(self) -> None:
        different = self.first.currentData() != self.second.currentData()
        self.compare.setEnabled(self.first.count() > 1 and different)
        for box in (self.first, self.second):
            box.setEnabled(not self._running)

    def _copy_table(self) -> None:
        data = QMimeData()
        data.setText(comparison_table(self.rows.shown, self._names))
        QGuiApplication.clipboard().setMimeData(data)


def _heading() -> PlainLabel:
    made = PlainLabel("", "heading")
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return made
