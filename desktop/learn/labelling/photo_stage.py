"""The photo that is to be labelled, as large as fits, and those around it made ready."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.widgets.picture import fitted_size, paint_fitted
from desktop.widgets.pictures import Pictures
from desktop.widgets.timers import single_shot_timer

STEP = 128
"""Pictures are fetched in steps of this many pixels, so that resizing seldom fetches."""
MAX_SIDE = 1024
"""Pixels of the shorter side of what is fetched: more is not seen while labelling."""
_RESIZE_MILLISECONDS = 150


class PhotoStage(QWidget):
    """Shows one stored photo; the pictures of others are fetched and decoded meanwhile."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self._pictures = pictures
        self._image = ""
        self._next: Sequence[str] = ()
        self._is_at_top = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        pictures.ready.connect(self._on_ready)
        # Not while the window is being resized: each step would fetch all of them.
        self._prepare_soon = single_shot_timer(_RESIZE_MILLISECONDS, self._prepare, self)

    @property
    def image(self) -> str:
        """SHA-256 of the photo that is shown; empty if there is none."""
        return self._image

    @property
    def is_ready(self) -> bool:
        """Whether the picture of the photo is decoded, so that the next frame has it."""
        return bool(self._image) and self._pictures.has(self._image, self._side())

    def show_photo(self, image: str, name: str, following: Sequence[str] = ()) -> None:
        """Show the photo with that SHA-256, called `name` for those who cannot see it.

        `following` are those that are likely to be shown next, the likeliest first.
        """
        self._image, self._next = image, following
        self.setAccessibleName(name)
        self._prepare()
        self.update()

    def place_at_top(self, at_top: bool) -> None:
        """Show the photo right below what stands above this, or else in the middle."""
        self._is_at_top = at_top
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(480, 400)

    def minimumSizeHint(self) -> QSize:
        return QSize(96, 96)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._prepare_soon.start()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        picture = self._pictures.get(self._image, self._side()) if self._image else None
        frame = self.rect().toRectF()
        if self._is_at_top and picture is not None and not picture.isNull():
            frame.setHeight(fitted_size(picture, frame.size()).height())
        paint_fitted(painter, frame, picture, self.devicePixelRatioF())

    def _prepare(self) -> None:
        # What is requested last is fetched first.
        for image in reversed((self._image, *self._next)):
            if image:
                self._pictures.get(image, self._side())

    def _side(self) -> int:
        pixels = min(self.width(), self.height()) * self.devicePixelRatioF()
        return min(MAX_SIDE, -(-int(pixels) // STEP) * STEP)

    def _on_ready(self, image: str) -> None:
        if image == self._image:
            self.update()
