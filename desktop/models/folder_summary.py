"""What was found in a folder that a model is to learn from."""

from __future__ import annotations

from collections import Counter

from PySide6.QtWidgets import QWidget

from backend.contract import ClassCount
from desktop.formats import count, plural
from desktop.translation import tr, tr_plural
from desktop.widgets import build
from desktop.widgets.class_bars import ClassBars
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line, tooltip
from serving.photo_folder import PhotoFolder, SkipReason

_MIN_ROWS = 3
"""Classes that are seen without scrolling in the lowest window."""
_MAX_NOTES = 3
_MAX_SKIPPED = 30
_REASONS = {
    SkipReason.HIDDEN: tr("hidden"),
    SkipReason.NOT_AN_IMAGE: tr("not an image"),
    SkipReason.NO_CLASS: tr("not in the folder of a class"),
    SkipReason.NO_CLASS_NAME: tr("the folder's name cannot be a class"),
    SkipReason.NOT_TAUGHT: tr("its class has photos only in the test part"),
    SkipReason.CANNOT_BE_READ: tr("cannot be read"),
    SkipReason.READ_ELSEWHERE: tr("a link to a folder that is read already"),
    SkipReason.EMPTY: tr("empty"),
    SkipReason.DAMAGED: tr("damaged"),
    SkipReason.TOO_LARGE: tr("too large"),
    SkipReason.SAME_PHOTO: tr("the same photo again"),
    SkipReason.TWO_CLASSES: tr("the same photo in two classes"),
    SkipReason.IN_TEST: tr("the same photo is in the test part"),
}


class FolderSummary(QWidget):
    """The classes with their photos, the test part, and what is skipped."""

    def __init__(self, folder: PhotoFolder) -> None:
        super().__init__()
        self.found = PlainLabel(found_sentence(folder), "heading", wrap=True)
        self.test_part = PlainLabel(test_sentence(folder), "muted", wrap=True)
        self.test_part.setVisible(bool(self.test_part.text()))
        self.classes = ClassBars()
        self.classes.setAccessibleName(tr("Photos by class"))
        photos = Counter(each.class_name for each in folder.photos)
        self.classes.show_counts([ClassCount(name, photos[name], True) for name in folder.classes])
        row, rows = self.classes.sizeHintForRow(0), max(1, len(folder.classes))
        self.classes.setMinimumHeight(min(_MIN_ROWS, rows) * row + 2)
        self.classes.setMaximumHeight(rows * row + 2)
        self.skipped = PlainLabel(skipped_sentence(folder), "muted", wrap=True)
        self.skipped.setVisible(bool(self.skipped.text()))
        first = [
            one_line(f"{each.path}: {_REASONS[each.reason]}")
            for each in folder.skipped[:_MAX_SKIPPED]
        ]
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
    return tr(
        "{photos} of {classes} in {folder}",
        photos=plural(len(folder.photos), "photo"),
        classes=plural(len(folder.classes), "class", "classes"),
        folder=folder.root.name,
    )


def test_sentence(folder: PhotoFolder) -> str:
    """Return `120 to learn from, 36 to measure with`; empty without a test part."""
    held_out = sum(each.held_out for each in folder.photos)
    if not held_out:
        return ""
    learned = len(folder.photos) - held_out
    return tr(
        "{learned} to learn from, {held_out} to measure accuracy with.",
        learned=count(learned),
        held_out=count(held_out),
    )


def skipped_sentence(folder: PhotoFolder) -> str:
    """Return `12 files are skipped: not an image (8), hidden (4).`; empty if none is."""
    if not folder.skipped:
        return ""
    reasons = Counter(_REASONS[each.reason] for each in folder.skipped)
    alone = len(reasons) == 1
    parts = [
        reason if alone else f"{reason} ({count(number)})"
        for reason, number in reasons.most_common()
    ]
    number = len(folder.skipped)
    return tr_plural(
        "{count} file is skipped: {reasons}.", "{count} files are skipped: {reasons}.", number
    ).format(count=count(number), reasons=", ".join(parts))
