"""What people have said a photo shows, and when."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from backend.contract import Label, LabelKind
from desktop import theme
from desktop.formats import count
from desktop.moments import ago, moment_in_full
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_text import tooltip

_LINES = 3
"""Labels that are shown; the tooltip has more."""


class LabelHistory(QWidget):
    """A line a label, newest first; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [ElidedLabel("", "small") for _ in range(_LINES)]
        build.column(*self.lines, parent=self, spacing=2, margins=(0, theme.XS, 0, 0))
        self.show_labels(())

    def show_labels(self, labels: Sequence[Label]) -> None:
        """Show `labels` of one photo, newest first."""
        more = len(labels) - _LINES
        texts = [label_sentence(label) for label in labels[:_LINES]]
        if more > 0:
            texts[-1] = f"{texts[-1]}, and {count(more)} before"
        for line, text in zip(self.lines, [*texts, *[""] * (_LINES - len(texts))], strict=True):
            line.setText(text)
            line.setVisible(bool(text))
        everything = "\n".join(
            f"{label_sentence(label)} ({moment_in_full(label.created)})" for label in labels
        )
        self.setToolTip(tooltip(everything))
        self.setAccessibleName(f"Labels of this photo: {'; '.join(texts)}" if texts else "")
        self.setVisible(bool(labels))


def label_sentence(label: Label) -> str:
    """Return `bottle, said anna 5 min ago`."""
    said = {LabelKind.NONE: "None of these", LabelKind.SKIP: "Skipped"}
    what = said.get(label.kind, label.class_name)
    author = f"said {label.by} " if label.by else ""
    return f"{what}, {author}{ago(label.created)}"
