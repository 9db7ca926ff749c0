"""Where a person says what the selected photos show: Yes, or another class."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop.classify.photo import Photo
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.class_chooser import ClassChooser
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_text import tooltip
from desktop.widgets.state_badge import StateBadge


class LabelBox(QWidget):
    """Asks whether the answer is right, shows the label, and takes another one."""

    confirmed = Signal(str)
    """The class that the answers name, as the label of the selected photos."""

    def __init__(self) -> None:
        super().__init__()
        self._agreed = ""
        self.question = ElidedLabel(tr("Right?"), "heading")
        self.labelled = StateBadge("labelled")
        self.yes = build.button(tr("Yes"), "check")
        self.yes.clicked.connect(lambda: self.confirmed.emit(self._agreed))
        self.none = build.button(tr("None of these"), tip=tr("It shows none of the classes (0)"))
        self.undo = build.button(tr("Undo"), "undo", tip=tr("Take the label back (Ctrl+Z)"))
        self.chooser = ClassChooser()
        # Buttons stay at the right, also beside the badge, which is as narrow as its word.
        line = build.row((self.question, 100), self.labelled, None, self.yes, self.none, self.undo)
        self._column = build.column(line, self.chooser, parent=self)

    def add(self, widget: QWidget) -> None:
        """Put a widget below the field for the class."""
        self._column.addWidget(widget)

    def show_photos(self, photos: Sequence[Photo]) -> None:
        """Ask about `photos`; at least one."""
        labels = {photo.label for photo in photos}
        label = photos[0].label if len(labels) == 1 else ""
        best = {photo.top.name for photo in photos if photo.top is not None}
        self._agreed = agreed = best.pop() if len(best) == 1 else ""
        self.question.setVisible(not label)
        self.labelled.setVisible(bool(label))
        if label:
            self.labelled.set_state("labelled", tr("Labelled {label}", label=_shortened(label)))
        if len(photos) > 1:
            self.question.setText(
                tr("All {class_name}?", class_name=agreed) if agreed else tr("What do they show?")
            )
        else:
            self.question.setText(tr("Right?") if agreed else tr("What does it show?"))
        self.yes.setVisible(bool(agreed) and not label)
        self.yes.setToolTip(tooltip(tr("Label as {class_name} (1)", class_name=agreed)))
        self.yes.setAccessibleName(tr("Yes, {class_name}", class_name=agreed))
        self.none.setVisible(not label)
        self.undo.setVisible(bool(label) and all(photo.label_can_be_undone for photo in photos))


def _shortened(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
