"""What people have said a photo shows, and when."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from backend.contract import Label, LabelKind
from desktop import theme
from desktop.formats import count
from desktop.moments import ago, moment_in_full
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_text import tooltip

_LINES = 3
"""Labels that are shown; the tooltip has more."""
_REFRESH_MILLISECONDS = 30_000


class LabelHistory(QWidget):
    """A line a label, newest first; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [ElidedLabel("", "small") for _ in range(_LINES)]
        build.column(*self.lines, parent=self, spacing=2, margins=(0, theme.XS, 0, 0))
        self._clock = QTimer(self)
        self._clock.setInterval(_REFRESH_MILLISECONDS)
        self._clock.timeout.connect(lambda: self.show_labels(self._labels))
        self.show_labels(())

    def show_labels(self, labels: Sequence[Label]) -> None:
        """Show `labels` of one photo, newest first; how long ago they were stays true."""
        self._labels = labels
        more = len(labels) - _LINES
        texts = [label_sentence(label) for label in labels[:_LINES]]
        if more > 0:
            texts[-1] = tr("{label}, and {more} before", label=texts[-1], more=count(more))
        for line, text in zip(self.lines, [*texts, *[""] * (_LINES - len(texts))], strict=True):
            line.setText(text)
            line.setVisible(bool(text))
        everything = "\n".join(
            f"{label_sentence(label)} ({moment_in_full(label.created)})" for label in labels
        )
        self.setToolTip(tooltip(everything))
        self.setAccessibleName(
            tr("Labels of this photo: {labels}", labels="; ".join(texts)) if texts else ""
        )
        self.setVisible(bool(labels))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.show_labels(self._labels)
        self._clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._clock.stop()


def label_sentence(label: Label) -> str:
    """Return `Labelled bottle by anna, 5 min ago`."""
    known = {"name": label.class_name, "author": label.by, "when": ago(label.created)}
    if label.kind is LabelKind.NONE:
        if label.by:
            return tr("Labelled none of these by {author}, {when}", **known)
        return tr("Labelled none of these, {when}", **known)
    if label.kind is LabelKind.SKIP:
        if label.by:
            return tr("Skipped by {author}, {when}", **known)
        return tr("Skipped, {when}", **known)
    if label.by:
        return tr("Labelled {name} by {author}, {when}", **known)
    return tr("Labelled {name}, {when}", **known)
