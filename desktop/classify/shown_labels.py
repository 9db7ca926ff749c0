"""What people have said about the photo in the pane, whenever that was."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from backend.contract import Label, LabelKind
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import NONE_OF_THESE, Photo
from desktop.jobs import Jobs
from desktop.translation import tr
from desktop.widgets.label_history import LabelHistory, label_sentence
from desktop.widgets.plain_text import tooltip
from desktop.widgets.timers import single_shot_timer
from serving.errors import ServeryError
from serving.normalize_image import read_normalized_image
from serving.progress import Report

_DEBOUNCE_MILLISECONDS = 300
"""A photo's labels are read once it is shown this long: not while a person runs through many."""

LabelsOf = Callable[[str, str], Awaitable[Sequence[Label]]]
"""Returns the labels of a photo, given by the SHA-256 of its normalized JPEG, for a model (the
current one if empty), newest first; raises ServeryError."""


class ShownLabels:
    """Shows the labels of the one selected photo below its chart, and follows them.

    Elsewhere they may have been changed, undone or renamed: the gallery is set right, too.
    """

    def __init__(
        self,
        page: ClassifyPage,
        labels_of: LabelsOf,
        jobs: Jobs,
        all_delivered: Callable[[], bool],
    ) -> None:
        """`all_delivered` says whether the backend has every label that was given here."""
        self._page = page
        self._all_delivered = all_delivered
        self._labels_of = labels_of
        self._jobs = jobs
        self.history = LabelHistory()
        page.pane.label_box.add(self.history)
        self._look_soon = single_shot_timer(_DEBOUNCE_MILLISECONDS, self._look, page)
        page.grid.selection_changed.connect(self._on_selected)
        page.shown_photo_changed.connect(self._look_soon.start)

    def refresh(self) -> None:
        """Read the labels again: some have changed."""
        self._look_soon.start()

    def _on_selected(self) -> None:
        self.history.show_labels(())
        self._page.pane.label_box.labelled.setToolTip("")
        self._look_soon.start()

    def _look(self) -> None:
        photo = self._page.shown_photo()
        if photo is None:
            return

        async def work(report: Report) -> None:
            # Without them the photo can be labelled all the same.
            with contextlib.suppress(ServeryError):
                image = await asyncio.to_thread(_sha256, photo.path)
                labels = await self._labels_of(image, photo.model)
                shown = self._page.shown_photo()
                if shown is not None and shown.key == photo.key:
                    self._set_right(shown, labels)
                    self._show(photo.key, labels)

        self._jobs.start(tr("Read the labels of a photo"), work, background=True)

    def _show(self, key: str, labels: Sequence[Label]) -> None:
        """Show what the box above does not say: who said it, and what was said before."""
        photo = self._page.gallery.photo(key)
        newest = labels[0] if labels else None
        repeated = (
            photo is not None
            and newest is not None
            and not newest.by
            and newest.kind is not LabelKind.SKIP
            and photo.given_label == (newest.class_name or NONE_OF_THESE)
        )
        self.history.show_labels(labels[1:] if repeated else labels)
        tip = label_sentence(newest) if newest is not None and repeated else ""
        self._page.pane.label_box.labelled.setToolTip(tooltip(tip))

    def _set_right(self, photo: Photo, labels: Sequence[Label]) -> None:
        if not photo.model or not self._all_delivered():
            return
        said = next((label for label in labels if label.kind is not LabelKind.SKIP), None)
        name = "" if said is None else said.class_name or NONE_OF_THESE
        if name != photo.labels.get(photo.model, ""):
            undoable = bool(name) and photo.label_can_be_undone
            self._page.gallery.set_label(photo.key, photo.model, name, can_be_undone=undoable)


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_normalized_image(path)).hexdigest()
