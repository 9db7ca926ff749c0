"""What was found in a folder that a model is to learn from."""

from __future__ import annotations

from collections import Counter

from PySide6.QtWidgets import QWidget

from backend.contract import ClassCount
from desktop.formats import count, plural
from desktop.widgets import build
from desktop.widgets.class_bars import ClassBars
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line, tooltip
from serving.photo_folder import PhotoFolder

_MIN_ROWS = 3
"""Classes that are seen without scrolling in the lowest window."""
_MAX_NOTES = 3
_MAX_SKIPPED = 30


class FolderSummary(QWidget):
    """The classes with their photos, the test part, and what is skipped."""

    def __init__(self, folder: PhotoFolder) -> None:
        super().__init__()
        self.found = PlainLabel(found_sentence(folder), "heading", wrap=True)
        self.test_part = PlainLabel(test_sentence(folder), "muted", wrap=True)
        self.test_part.setVisible(bool(self.test_part.text()))
        self.classes = ClassBars()
        self.classes.setAccessibleName("Photos by class")
        photos = Counter(each.class_name for each in folder.photos)
        self.classes.show_counts([ClassCount(name, photos[name], True) for name in folder.classes])
        row, rows = self.classes.sizeHintForRow(0), max(1, len(folder.classes))
        self.classes.setMinimumHeight(min(_MIN_ROWS, rows) * row + 2)
        self.classes.setMaximumHeight(rows * row + 2)
        self.skipped = PlainLabel(skipped_sentence(folder), "muted", wrap=True)
        self.skipped.setVisible(bool(self.skipped.text()))
        first = [one_line(f"{each.path}: {each.reason}") for each in folder.skipped[:_MAX_SKIPPED]]
        self.skipped.setToolTip(tooltip("\n".join(first)))
        notes = "\n".join(map(one_line, folder.notes[:_MAX_NOTES]))
        self.notes = PlainLabel(notes, "small", wrap=True, lines=_MAX_NOTES)
        self.notes.setVisible(bool(folder.notes))
        build.column(
            self.found,
            self.test_part,
            (self.classes, 1),
            self.skipped,
            self.notes,
            parent=self,
        )


def found_sentence(folder: PhotoFolder) -> str:
    """Return `200 photos of 10 classes in flowers`."""
    photos = plural(len(folder.photos), "photo")
    return f"{photos} of {plural(len(folder.classes), 'class', 'classes')} in {folder.root.name}"


def test_sentence(folder: PhotoFolder) -> str:
    """Return `120 to learn from, 36 to measure with`; empty without a test part."""
    held_out = sum(each.held_out for each in folder.photos)
    if not held_out:
        return ""
    learned = len(folder.photos) - held_out
    return f"{count(learned)} to learn from, {count(held_out)} to measure accuracy with."


def skipped_sentence(folder: PhotoFolder) -> str:
    """Return `12 files are skipped: not an image (8), hidden (4).`; empty if none is."""
    if not folder.skipped:
        return ""
    reasons = Counter(str(each.reason) for each in folder.skipped)
    alone = len(reasons) == 1
    parts = [
        reason if alone else f"{reason} ({count(number)})"
        for reason, number in reasons.most_common()
    ]
    verb = "is" if len(folder.skipped) == 1 else "are"
    return f"{plural(len(folder.skipped), 'file')} {verb} skipped: {', '.join(parts)}."
