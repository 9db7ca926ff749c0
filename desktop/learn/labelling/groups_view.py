"""Photos that look alike, named all at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame

from backend.contract import Cluster
from desktop import theme
from desktop.formats import count, plural
from desktop.learn.labelling.answer_view import AnswerView, key_button
from desktop.learn.labelling.choices import Choice
from desktop.learn.labelling.group_grid import GroupGrid
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel


class GroupsView(AnswerView):
    """Shows a group; its name is for every photo that was not taken out."""

    toggled = Signal(str)
    """SHA-256 of a photo to take out of the group, or to put back."""
    back_requested = Signal()
    forward_requested = Signal()
    undo_requested = Signal()
    label_requested = Signal()
    """Label the photos one by one instead."""
    classify_requested = Signal()
    """Go to the Classify page, for more photos."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__("empty-photos")
        self._group: Cluster | None = None
        self._leads_to_label = False
        self.heading = PlainLabel("", "heading")
        self.hint = ElidedLabel("Click what does not belong here.", "muted")
        self.grid = GroupGrid(pictures)
        self.grid.toggled.connect(self.toggled)
        self.progress = ElidedLabel("", "small")
        self.progress.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.back = build.icon_button("chevron-left", "The group before (Alt+Left)", side=20)
        self.forward = build.icon_button("chevron-right", "The next group (Alt+Right)", side=20)
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
            build.row((self.none, 1), (self.skip, 1)),
            build.row(self.back, self.forward, (self.progress, 1), self.undo, spacing=theme.XS),
            parent=self.side,
        )
        photos = build.column(
            build.row(self.heading, (self.hint, 1), spacing=theme.M), (self.grid, 1)
        )
        work = QFrame()
        build.row(
            (photos, 1),
            self.side,
            parent=work,
            spacing=theme.L,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        self.empty.action_requested.connect(self._leave)
        self.set_work(work)

    @property
    def group(self) -> Cluster | None:
        """The group on the screen."""
        return self._group

    @property
    def can_answer(self) -> bool:
        return self._group is not None

    def take_focus(self) -> None:
        (self.grid if self.can_answer else self).setFocus(Qt.FocusReason.OtherFocusReason)

    def show_group(
        self,
        group: Cluster,
        choices: Sequence[Choice],
        excluded: Collection[str],
        number: int,
        total: int,
    ) -> None:
        """Show a group, the classes for it, and which of its photos were taken out."""
        if group is not self._group:
            self._group = group
            self.picker.show_choices(choices)
        named = len(group.images) - len(excluded)
        words = f"{plural(len(group.images), 'photo')} that look alike"
        self.heading.setText(f"{count(named)} of {words}" if excluded else words)
        self.grid.show_group(group.images, excluded)
        self.progress.setText(f"Group {count(number)} of {count(total)}")
        self.show_work()

    def show_empty(
        self, heading: str, sentence: str, action: str = "", *, leads_to_label: bool = False
    ) -> None:
        """Say why there is no group, and what to do; the action leads to the Classify page, or
        to the photos one by one."""
        self._group = None
        self._leads_to_label = leads_to_label
        super().show_empty(heading, sentence, action)

    def _leave(self) -> None:
        (self.label_requested if self._leads_to_label else self.classify_requested).emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        alt = event.modifiers() & Qt.KeyboardModifier.AltModifier
        if alt and event.key() == Qt.Key.Key_Left:
            self.back_requested.emit()
        elif alt and event.key() == Qt.Key.Key_Right:
            self.forward_requested.emit()
        else:
            super().keyPressEvent(event)
