"""The ways in for photos: dropped, pasted, or selected in a dialog."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QWidget

_READABLE = "Photos (*.jpg *.jpeg *.png *.webp *.gif *.bmp *.tif *.tiff *.avif);;All files (*)"


class PhotoIntake(QObject):
    """Turns what a person drops, pastes or selects into files; its dialogs do not block."""

    classify_requested = Signal(list)
    """list[Path]: files and folders."""
    image_pasted = Signal(QImage)
    """A picture from the clipboard that is not a file."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window

    def open_photos(self) -> None:
        self._open("Open photos", QFileDialog.FileMode.ExistingFiles, _READABLE)

    def open_folder(self) -> None:
        self._open("Open a folder of photos", QFileDialog.FileMode.Directory)

    def paste(self) -> None:
        """Take files or a picture from the clipboard."""
        self.take(QGuiApplication.clipboard().mimeData())

    def accepts(self, data: QMimeData) -> bool:
        """Whether there are files or a picture in `data`."""
        return bool(_local_files(data)) or data.hasImage()

    def take(self, data: QMimeData) -> bool:
        """Pass on the files or the picture in `data`; returns whether there were any."""
        if files := _local_files(data):
            self.classify_requested.emit(files)
            return True
        image = QImage(data.imageData()) if data.hasImage() else QImage()
        if not image.isNull():
            self.image_pasted.emit(image)
        return not image.isNull()

    def _open(self, title: str, mode: QFileDialog.FileMode, filters: str = "") -> None:
        dialog = QFileDialog(self._window, title, "", filters)
        dialog.setFileMode(mode)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(
            lambda names: self.classify_requested.emit([Path(name) for name in names])
        )
        dialog.open()


def _local_files(data: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
