"""Photos of the person's own, with what the model answers for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.models.importing import wording
from desktop.models.importing.draft import ImportDraft
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import FileDialog
from desktop.widgets.focus import delegate_focus
from desktop.widgets.photo_grid import PhotoGrid, PhotoTile, TileLine
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from serving.image_file import READ_SUFFIXES
from serving.importing.interface import Preview

_LINES = 3
_TILE_WIDTH = 112
_FILTER = tr(
    "Photos ({patterns});;All files (*)",
    patterns=" ".join(f"*{suffix}" for suffix in READ_SUFFIXES),
)


class PhotoStrip(QWidget):
    """Shows the photos of a draft; Delete takes the selected one out."""

    photos_chosen = Signal(list)
    """list[Path]"""
    removed = Signal(Path)

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self.sentence = PlainLabel("", "muted", wrap=True)
        self.choose = build.button(tr("Choose photos…"), "photo-add")
        self.grid = _RemovingGrid(
            pictures, tr("Photos and what the model answers"), tile_width=_TILE_WIDTH
        )
        self.grid.removed.connect(self._remove)
        self.grid.setToolTip(tr("Delete takes the selected photo out"))
        self._draft: ImportDraft | None = None
        build.column(
            build.row(PlainLabel(tr("Your photos"), "heading"), None, self.choose),
            self.sentence,
            (self.grid, 1),
            parent=self,
            spacing=theme.S,
        )
        delegate_focus(self, self.grid)
        self.choose.clicked.connect(self.open_photo_dialog)

    def show_draft(self, draft: ImportDraft) -> None:
        """Show the photos with their answers; those of an earlier state are grey."""
        before, self._draft = self._draft, draft
        self.choose.setEnabled(draft.progress is None)
        self.sentence.setText(wording.photos_sentence(draft))
        self.sentence.setVisible(bool(self.sentence.text()))
        answers = {each.photo: each for each in draft.previews}
        is_old = bool(draft.step) and draft.progress is None
        tiles = [
            PhotoTile(photo, _lines(draft, str(photo), answers, is_old)) for photo in draft.photos
        ]
        if before is None or tiles != list(self.grid.tiles):
            row = self.grid.currentIndex().row()
            self.grid.show_tiles(tiles)
            if 0 <= row < len(tiles):
                self.grid.setCurrentIndex(self.grid.model().index(row, 0))

    def open_photo_dialog(self) -> None:
        """Ask for photos."""
        dialog = FileDialog(self, tr("Choose photos of your own"))
        dialog.setFileMode(FileDialog.FileMode.ExistingFiles)
        dialog.setNameFilter(_FILTER)
        dialog.filesSelected.connect(
            lambda names: self.photos_chosen.emit([Path(name) for name in names])
        )
        dialog.open()

    def _remove(self) -> None:
        row = self.grid.currentIndex().row()
        if self._draft is not None and 0 <= row < len(self._draft.photos):
            self.removed.emit(self._draft.photos[row])


def _lines(
    draft: ImportDraft, photo: str, answers: Mapping[str, Preview], is_old: bool
) -> tuple[TileLine, ...]:
    preview = answers.get(photo)
    if preview is None:
        return (TileLine("…" if draft.step else Path(photo).name, "muted"), TileLine(""))
    words = wording.preview_lines(preview, _LINES)
    token = "muted" if is_old else "text"
    return tuple(
        TileLine(name, token if number == 0 else "muted", end=score)
        for number, (name, score) in enumerate(words)
    )


class _RemovingGrid(PhotoGrid):
    removed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removed.emit()
        else:
            super().keyPressEvent(event)
