"""One photo after the other: why it is next, and what it may show, one key each."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame

from backend.contract import Label
from desktop import theme
from desktop.formats import count
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.answer_view import AnswerView, key_button
from desktop.learn.labelling.choices import Choice
from desktop.learn.labelling.photo_stage import PhotoStage
from desktop.learn.labelling.queue_walk import NextPhoto
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.label_history import LabelHistory
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge
from desktop.widgets.timers import single_shot_timer

_LOOK_MILLISECONDS = 300


class LabelView(AnswerView):
    """Shows a photo of the queue and emits what is said about it, or an invitation without one."""

    back_requested = Signal()
    forward_requested = Signal()
    undo_requested = Signal()
    history_requested = Signal(str)
    """SHA-256 of a photo that has been on the screen for a while."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__("empty-learn")
        self._item: NextPhoto | None = None
        self.stage = PhotoStage(pictures)
        self.why = PlainLabel("", "muted", wrap=True)
        self.badge = StateBadge("labelled")
        self.history = LabelHistory()
        self.progress = ElidedLabel("", "small")
        self.progress.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.back = build.icon_button("chevron-left", "The photo before (Left)", side=20)
        self.forward = build.icon_button("chevron-right", "The next photo (Right)", side=20)
        self.undo = key_button("Undo", "Ctrl+Z")
        theme.set_role(self.undo, "quiet")
        for button, signal in (
            (self.back, self.back_requested),
            (self.forward, self.forward_requested),
            (self.undo, self.undo_requested),
        ):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(signal)
        build.column(
            (self.picker, 1),
            self.history,
            build.row((self.none, 1), (self.skip, 1)),
            build.row(self.back, self.forward, (self.progress, 1), self.undo, spacing=theme.XS),
            parent=self.side,
        )
        photo = build.column((self.stage, 1), build.row((self.why, 1), self.badge, spacing=theme.M))
        work = QFrame()
        build.row(
            (photo, 1),
            self.side,
            parent=work,
            spacing=theme.L,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        # Not of each photo that a person flies past.
        self._look_soon = single_shot_timer(_LOOK_MILLISECONDS, self._request_history, self)
        self.set_work(work)

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
        self.why.setText(item.why)
        self.badge.setVisible(answer is not None)
        if answer is not None:
            self.badge.set_state("labelled", answer.text.capitalize())
        if item.image != self.stage.image:
            self.history.show_labels(())
        self._look_soon.start()
        self.stage.show_photo(item.image, f"Photo. {item.why}", following)
        if choices is not None:
            self.picker.show_choices(choices)
        self.show_work()

    def show_progress(self, answered: int, left: int) -> None:
        """Say how many photos have an answer, and how many of the queue have none."""
        self.progress.setText(f"{count(answered)} done, {count(left)} left" if answered else "")

    def show_empty(self, heading: str, sentence: str, action: str = "") -> None:
        """Say why there is nothing to label, and what to do."""
        self._item = None
        self.stage.show_photo("", "No photo")
        super().show_empty(heading, sentence, action)

    def show_history(self, image: str, labels: Sequence[Label]) -> None:
        """Show the labels of a photo, newest first, if it is still the one on the screen."""
        if self._item is not None and image == self._item.image:
            self.history.show_labels(labels)

    def _request_history(self) -> None:
        if self._item is not None:
            self.history_requested.emit(self._item.image)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Left:
            self.back_requested.emit()
        elif event.key() == Qt.Key.Key_Right:
            self.forward_requested.emit()
        else:
            super().keyPressEvent(event)
