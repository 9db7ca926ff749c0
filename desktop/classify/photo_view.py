"""One photo, as large as fits."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails

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
        if picture is None or picture.isNull():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("sunken"))
            painter.drawRoundedRect(frame, theme.CORNER, theme.CORNER)
        if picture is None:
            return
        if picture.isNull():
            ratio = self.devicePixelRatioF()
            theme.paint_icon(painter, frame.center(), "broken", "muted", 48, ratio)
            return
        fitted = QSizeF(picture.size()).scaled(frame.size(), Qt.AspectRatioMode.KeepAspectRatio)
        if fitted.width() > 2 * picture.width():
            fitted = QSizeF(picture.size() * 2)
        target = QRectF(frame.topLeft(), fitted)
        target.moveCenter(frame.center())
        outline = QPainterPath()
        outline.addRoundedRect(target, theme.CORNER, theme.CORNER)
        painter.setClipPath(outline)
        painter.drawPixmap(target, picture, picture.rect().toRectF())
