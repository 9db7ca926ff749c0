"""What parts of a photo speak for a class or against it, as colors over the photo."""

from __future__ import annotations

from PySide6.QtCore import QBuffer, QByteArray, QRectF, Qt
from PySide6.QtGui import QImage, QImageWriter, QPainter, QPixmap

from desktop import theme
from serving.errors import ImageError
from serving.predict.occlusion import Occlusion

MAX_ALPHA = 200
"""Of 255: the photo is seen through the strongest color."""
_LEVELS = 8
"""Pixels of the image in a cell: between these, Qt's scaling is smooth enough."""


def heat_image(occlusion: Occlusion) -> QImage:
    """Return the heat, to be scaled to the photo.

    In the colors of the scheme that is shown; the strongest part has MAX_ALPHA.
    """
    values = occlusion.importances
    small = QImage(len(values[0]), len(values), QImage.Format.Format_ARGB32)
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            color = theme.color("heat_for" if value > 0 else "heat_against")
            color.setAlpha(round(MAX_ALPHA * abs(value) / occlusion.scale))
            small.setPixelColor(x, y, color)
    # Premultiplied, or the colors of cells without any would mix into their neighbours'.
    return small.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied).scaled(
        small.width() * _LEVELS,
        small.height() * _LEVELS,
        Qt.AspectRatioMode.IgnoreAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )


def explained_png(jpeg: bytes, occlusion: Occlusion) -> bytes:
    """Return a normalized JPEG as a PNG in grey, with the heat over it, as the window shows it.

    Needs no application, and so no screen. Raises ImageError if Qt cannot draw it.
    """
    photo = QImage.fromData(QByteArray(jpeg))
    picture = _grey(photo).convertToFormat(QImage.Format.Format_RGB32)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(QRectF(picture.rect()), heat_image(occlusion))
    painter.end()
    content = QBuffer()
    content.open(QBuffer.OpenModeFlag.WriteOnly)
    if photo.isNull() or not QImageWriter(content, b"png").write(picture):
        raise ImageError(
            "The image could not be drawn.", "Try a smaller photo, or leave out the image."
        )
    return bytes(content.data().data())


def _grey(photo: QImage) -> QImage:
    return photo.convertToFormat(QImage.Format.Format_Grayscale8)


class HeatOverlay:
    """Paints the heat of an occlusion over a photo, which is grey below it: orange beside an
    orange fish would not be seen."""

    def __init__(self, occlusion: Occlusion) -> None:
        self._occlusion = occlusion
        self._heat: tuple[object, QImage] | None = None
        self._grey: tuple[int, QPixmap] | None = None

    def grey(self, photo: QPixmap) -> QPixmap:
        """Return the photo without its colors; that of the last photo is kept."""
        key = photo.cacheKey()
        if self._grey is None or self._grey[0] != key:
            self._grey = key, QPixmap.fromImage(_grey(photo.toImage()))
        return self._grey[1]

    def paint(self, painter: QPainter, box: QRectF) -> None:
        """Paint the heat over the photo that fills `box`."""
        if self._heat is None or self._heat[0] is not theme.tokens():
            self._heat = theme.tokens(), heat_image(self._occlusion)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(box, self._heat[1])
        painter.restore()
