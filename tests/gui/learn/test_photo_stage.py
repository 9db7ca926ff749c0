"""Where the photo stands that is labelled."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPixmap
from PySide6.QtWidgets import QApplication

from desktop.learn.labelling.photo_stage import PhotoStage
from desktop.widgets.pictures import Pictures
from tests.gui.conftest import show


class RedPictures(Pictures):
    """Has a small red picture of every photo."""

    def get(self, image: str | Path, side: int) -> QPixmap | None:
        picture = QPixmap(40, 30)
        picture.fill(Qt.GlobalColor.red)
        return picture


def test_a_small_photo_stands_below_its_caption_in_a_large_window(
    application: QApplication,
) -> None:
    stage = show(PhotoStage(RedPictures()), 400, 400)
    stage.show_photo("ab" * 32, "A photo")
    red = QColor(Qt.GlobalColor.red)
    middle = stage.width() // 2
    assert stage.grab().toImage().pixelColor(middle, 10) != red
    stage.place_at_top(True)
    assert stage.grab().toImage().pixelColor(middle, 10) == red
