"""One photo, as large as fits."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.classify.explain.heat import HeatOverlay
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.translation import tr
from desktop.widgets.picture import paint_fitted

_STEP = 128
"""Pictures are requested in steps of this many pixels, so that resizing seldom decodes."""

_MAX_HEIGHT_SHARE = 0.75
"""Of its width; beyond that, the space is better left below the scores."""


class PhotoView(QWidget):
    """Shows the whole photo inside its frame, never enlarged beyond twice its pixels."""

    zoom_requested = Signal()
    """It was clicked: show it large."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._path: Path | None = None
        self._heat: HeatOverlay | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        thumbnails.ready.connect(self._refresh)

    def show_photo(self, path: Path | None, name: str = "") -> None:
        """Show the photo at `path`; None shows an empty frame."""
        self._path = path
        self.setAccessibleName(tr("Photo {name}", name=name) if name else tr("No photo"))
        self.setToolTip(tr("Click to zoom (Z)") if path else "")
        if path:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        else:
            self.unsetCursor()
        self.update()

    def show_heat(self, heat: HeatOverlay | None, sentence: str = "") -> None:
        """Show the photo in grey with `heat` over it, or as it is; `sentence` says the same."""
        self._heat = heat
        self.setAccessibleDescription(sentence)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self.rect().contains(event.position().toPoint()):
            self.zoom_requested.emit()

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
        if self._heat is not None and picture is not None and not picture.isNull():
            picture = self._heat.grey(picture)
        target = paint_fitted(painter, frame, picture, self.devicePixelRatioF())
        if self._heat is not None and not target.isEmpty():
            self._heat.paint(painter, target)
