"""One photo, as large as fits."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.widgets.picture import paint_fitted

_STEP = 128
"""Pictures are requested in steps of this many pixels, so that resizing seldom decodes."""

_MAX_HEIGHT_SHARE = 0.75
"""Of its width; beyond that, the space is better left below the scores."""


class PhotoView(QWidget):
    """Shows the whole photo inside its frame, never enlarged beyond twice its pixels."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._path: Path | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        thumbnails.ready.connect(self._refresh)

    def show_photo(self, path: Path | None, name: str = "") -> None:
        """Show the photo at `path`; None shows an empty frame."""
        self._path = path
        self.setAccessibleName(f"Photo {name}" if name else "No photo")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, 240)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setMaximumHeight(round(self.width() * _MAX_HEIGHT_SHARE))

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 80)

    def _thumbnail_key(self) -> ThumbnailKey | None:
        if self._path is None:
            return None
        pixels = max(self.width(), self.height()) * self.devicePixelRatioF()
        return ThumbnailKey(self._path, -(-int(pixels) // _STEP) * _STEP, cover=False)

    def _refresh(self, key: ThumbnailKey) -> None:
        if key == self._thumbnail_key():
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        frame = self.rect().toRectF()
        key = self._thumbnail_key()
        picture = self._thumbnails.get(key) if key else None
        paint_fitted(painter, frame, picture, self.devicePixelRatioF())
