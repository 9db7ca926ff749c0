"""The ways in for photos: dropped, pasted, or selected in a dialog."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, Signal
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QWidget

from desktop.dropped_addresses import DroppedAddresses, addresses_in, path_in_text
from desktop.translation import tr
from desktop.widgets.dialogs import FileDialog
from serving.image_file import READ_SUFFIXES

_READABLE = tr(
    "Photos ({patterns});;All files (*)",
    patterns=" ".join(f"*{suffix}" for suffix in READ_SUFFIXES),
)


class PhotoIntake(QObject):
    """Turns what a person drops, pastes or selects into files; its dialogs do not block."""

    classify_requested = Signal(list)
    """list[Path]: files and folders."""
    image_pasted = Signal(QImage)
    """A picture from the clipboard that is not a file."""
    watch_requested = Signal(Path)
    """The photos that arrive in this folder are to be classified from now on."""
    refused = Signal(object)
    """ImageError: what was dropped that is no file of this machine, and what to do."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window

    def open_photos(self) -> None:
        dialog = self._dialog(tr("Open photos"), FileDialog.FileMode.ExistingFiles, _READABLE)
        dialog.filesSelected.connect(self._take_names)

    def open_folder(self) -> None:
        dialog = self._dialog(tr("Open a folder of photos"), FileDialog.FileMode.Directory)
        dialog.filesSelected.connect(self._take_names)

    def open_watched_folder(self) -> None:
        dialog = self._dialog(tr("Watch a folder for new photos"), FileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.watch_requested.emit(Path(name)))

    def paste(self) -> None:
        """Take files or a picture from the clipboard."""
        self.take(QGuiApplication.clipboard().mimeData())

    def accepts(self, data: QMimeData) -> bool:
        """Whether there are files, addresses or a picture in `data`."""
        return data.hasUrls() or data.hasImage() or path_in_text(data.text()) is not None

    def take(self, data: QMimeData) -> bool:
        """Pass on the files or the picture in `data`, and what is neither; returns whether
        there was anything of that."""
        found = _addresses(data)
        if found.files:
            self.classify_requested.emit(list(found.files))
        # A browser hands over the picture itself with its address.
        image = QImage(data.imageData()) if data.hasImage() and not found.files else QImage()
        if not image.isNull():
            self.image_pasted.emit(image)
            return True
        for error in found.refused:
            self.refused.emit(error)
        return bool(found.files or found.refused)

    def _take_names(self, names: list[str]) -> None:
        self.classify_requested.emit([Path(name) for name in names])

    def _dialog(self, title: str, mode: FileDialog.FileMode, filters: str = "") -> FileDialog:
        dialog = FileDialog(self._window, title, "", filters)
        dialog.setFileMode(mode)
        dialog.open()
        return dialog


def _addresses(data: QMimeData) -> DroppedAddresses:
    if not data.hasUrls() and (error := path_in_text(data.text())) is not None:
        return DroppedAddresses((), (error,))
    return addresses_in(data)
