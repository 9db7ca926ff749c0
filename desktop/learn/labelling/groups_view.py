"""Photos that look alike, named all at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import Qt, Signal

from backend.contract import Cluster
from desktop import theme
from desktop.formats import count
from desktop.learn.labelling.choices import Choice
from desktop.learn.labelling.group_grid import GroupGrid
from desktop.learn.labelling.walk_view import WalkView
from desktop.shortcuts import Shortcut
from desktop.translation import tr, tr_plural
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel


class GroupsView(WalkView):
    """Shows a group; its name is for every photo that was not taken out."""

    toggled = Signal(str)
    """SHA-256 of a photo to take out of the group, or to put back."""
    label_requested = Signal()
    """Label the photos one by one instead."""
    classify_requested = Signal()
    """Go to the Classify page, for more photos."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__("empty-photos", (Shortcut.BACK_GROUP, Shortcut.FORWARD_GROUP))
        self.setAccessibleName(tr("Look-alikes"))
        self._group: Cluster | None = None
        self._leads_to_label = False
        self.heading = PlainLabel("", "heading")
        self.hint = ElidedLabel("", "muted")
        self.grid = GroupGrid(pictures)
        self.grid.toggled.connect(self.toggled)
        build.column(
            (self.picker, 1),
            build.row((self.none, 1), (self.skip, 1)),
            self.walk_row(),
            parent=self.side,
        )
        photos = build.column(
            build.row(self.heading, (self.hint, 1), self.progress, spacing=theme.M), (self.grid, 1)
        )
        self.empty.action_requested.connect(self._leave)
        self.set_work((photos, 1))

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
        photos = len(group.images)
        if excluded:
            text = tr_plural(
                "{named} of {count} photo that looks alike",
                "{named} of {count} photos that look alike",
                photos,
            )
        else:
            text = tr_plural(
                "{count} photo that looks alike", "{count} photos that look alike", photos
            )
        self.heading.setText(text.format(named=count(named), count=count(photos)))
        self.hint.setText(
            tr("Click what does not belong, or press Space.")
            if named
            else tr("Every photo is taken out: put one back, or skip the group.")
        )
        self.grid.show_group(group.images, excluded)
        self.progress.setText(tr("{number} of {total}", number=count(number), total=count(total)))
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
