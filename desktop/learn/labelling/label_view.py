"""One photo after the other: why it is next, and what it may show, one key each."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent

from backend.contract import Label
from desktop import theme
from desktop.formats import capitalized, count
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.choices import Choice
from desktop.learn.labelling.photo_stage import PhotoStage
from desktop.learn.labelling.queue_walk import NextPhoto
from desktop.learn.labelling.walk_view import WalkView
from desktop.service_sentences import translated
from desktop.shortcuts import Shortcut
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.label_history import LabelHistory
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge
from desktop.widgets.timers import single_shot_timer

_DEBOUNCE_MILLISECONDS = 300


class LabelView(WalkView):
    """Shows a photo of the queue and emits what is said about it, or an invitation without one."""

    history_requested = Signal(str)
    """SHA-256 of a photo that has been on the screen for a while."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__("empty-learn", (Shortcut.BACK, Shortcut.FORWARD))
        self.setAccessibleName(tr("Label photos"))
        self._item: NextPhoto | None = None
        self.stage = PhotoStage(pictures)
        self.why = PlainLabel("", "muted", wrap=True)
        self.badge = StateBadge("labelled")
        self.history = LabelHistory()
        build.column(
            (self.picker, 1),
            self.history,
            build.row((self.none, 1), (self.skip, 1)),
            self.walk_row(),
            parent=self.side,
        )
        words = build.row((self.why, 1), self.badge, self.progress, spacing=theme.M)
        photo = build.column((self.stage, 1), words)
        # Not of each photo that a person flies past.
        self._look_soon = single_shot_timer(_DEBOUNCE_MILLISECONDS, self._request_history, self)
        self.set_work((photo, 1))

    @property
    def item(self) -> NextPhoto | None:
        """The photo on the screen."""
        return self._item

    @property
    def can_answer(self) -> bool:
        return self._item is not None

    def show_photo(
        self,
        item: NextPhoto,
        choices: Sequence[Choice] | None,
        answer: Answer | None,
        following: Sequence[str],
    ) -> None:
        """Show a photo, the classes for it, and what was said of it before.

        Without `choices` those of before stay, and what is being typed.
        """
        self._item = item
        self.why.setText(translated(item.why))
        self.badge.setVisible(answer is not None)
        if answer is not None:
            self.badge.set_state("labelled", capitalized(answer.text))
        if item.image != self.stage.image:
            self.history.show_labels(())
        self._look_soon.start()
        self.stage.show_photo(item.image, tr("Photo. {why}", why=translated(item.why)), following)
        if choices is not None:
            self.picker.show_choices(choices)
        self.show_work()

    def show_progress(self, answered: int, left: int) -> None:
        """Say how many photos have an answer, and how many of the queue have none."""
        self.progress.setText(
            tr("{answered} done, {left} left", answered=count(answered), left=count(left))
            if answered
            else ""
        )

    def show_empty(self, heading: str, sentence: str, action: str = "") -> None:
        """Say why there is nothing to label, and what to do."""
        self._item = None
        self.stage.show_photo("", tr("No photo"))
        super().show_empty(heading, sentence, action)

    def show_history(self, image: str, labels: Sequence[Label]) -> None:
        """Show the labels of a photo, newest first, if it is still the one on the screen."""
        if self._item is not None and image == self._item.image:
            self.history.show_labels(labels)

    def _request_history(self) -> None:
        if self._item is not None:
            self.history_requested.emit(self._item.image)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.picker.move_mark(event)
        else:
            super().keyPressEvent(event)
