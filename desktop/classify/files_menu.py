"""The menu of what can be written of answers and photos; its dialogs do not block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMenu

from desktop import formats
from desktop.shortcuts import Shortcut
from desktop.translation import tr
from desktop.widgets.dialogs import FileDialog

if TYPE_CHECKING:
    from desktop.classify.page import ClassifyPage


class FilesMenu(QMenu):
    """Everything in it acts on the selected photos if there are several, otherwise on all shown."""

    def __init__(self, page: ClassifyPage) -> None:
        super().__init__(tr("Export and sort"), page)
        self._page = page
        move = tr("Choose a folder to move the photos to")
        for text, keys, act in (
            (tr("Export answers…"), Shortcut.EXPORT, self._open_export_dialog),
            (tr("Save answers beside photos (XMP)"), None, lambda: page.save_requested.emit(None)),
            (
                tr("Save answers into copies…"),
                None,
                lambda: self._open_folder_dialog(tr("Choose a folder for the copies"), self._save),
            ),
            (
                tr("Copy photos into folders of classes…"),
                None,
                lambda: self._open_folder_dialog(
                    tr("Choose a folder for the copies"), partial(self._sort, False)
                ),
            ),
            (
                tr("Move photos into folders of classes…"),
                None,
                lambda: self._open_folder_dialog(move, partial(self._sort, True)),
            ),
        ):
            self.addAction(page.add_action(text, keys, act))
        self.addSeparator()
        self.move_back = page.add_action("", act=page.move_back_requested.emit)
        self.addAction(self.move_back)
        self.offer_undo(0)

    def offer_undo(self, photos: int) -> None:
        """Offer to move so many photos back, which were moved last; nothing if there are none."""
        self.move_back.setVisible(photos > 0)
        self.move_back.setText(tr("Move {photos} back", photos=formats.plural(photos, "photo")))

    def _save(self, folder: Path) -> None:
        self._page.save_requested.emit(folder)

    def _sort(self, move: bool, folder: Path) -> None:
        self._page.sort_requested.emit(folder, move)

    def _open_export_dialog(self) -> None:
        if not self._page.gallery.photos:
            return
        filters = "CSV (*.csv);;JSON (*.json)"
        dialog = FileDialog(self._page, tr("Export answers"), "answers.csv", filters)
        dialog.setAcceptMode(FileDialog.AcceptMode.AcceptSave)
        dialog.filterSelected.connect(
            lambda name: dialog.setDefaultSuffix("json" if "JSON" in name else "csv")
        )
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(lambda name: self._page.export_requested.emit(Path(name)))
        dialog.open()

    def _open_folder_dialog(self, title: str, act: Callable[[Path], None]) -> None:
        if not self._page.gallery.photos:
            return
        dialog = FileDialog(self._page, title)
        dialog.setFileMode(FileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: act(Path(name)))
        dialog.open()
