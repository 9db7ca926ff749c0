"""The rounded frame of a tile, painted once for all tiles of a size."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPixmap

from desktop import theme

_MARGIN = 2
"""Pixels around the tile that the outline and what is behind the tile reach."""
_MAX_FRAMES = 32
"""Sizes and looks that are kept; a window that is resized goes through many."""


class TileFrames:
    """Paints the outline of a tile and its corners, over a tile whose corners are square.

    To clip a picture to rounded corners and to draw a smooth outline takes half of the time of a
    tile, and looks alike on all.
    """

    def __init__(self) -> None:
        self._frames: dict[tuple[int, int, int, int, int, float], QPixmap] = {}

    def paint(
        self,
        painter: QPainter,
        tile: QRectF,
        line: QColor,
        width: int,
        ground: QColor,
        ratio: float,
    ) -> None:
        """Paint a line of that width along the edge of `tile`, and `ground` in its corners.

        `ratio` is the number of device pixels in a pixel.
        """
        size = tile.size().toSize()
        key = (size.width(), size.height(), line.rgba(), width, ground.rgba(), ratio)
        frame = self._frames.get(key)
        if frame is None:
            if len(self._frames) >= _MAX_FRAMES:
                self._frames.clear()
            frame = self._frames[key] = _frame(size, line, width, ground, ratio)
        painter.drawPixmap(tile.topLeft() - QPointF(_MARGIN, _MARGIN), frame)


def _frame(size: QSize, line: QColor, width: int, ground: QColor, ratio: float) -> QPixmap:
    whole = size + QSize(2 * _MARGIN, 2 * _MARGIN)
    frame = QPixmap(whole * ratio)
    frame.setDevicePixelRatio(ratio)
    frame.fill(Qt.GlobalColor.transparent)
    outline = QRectF(QPointF(_MARGIN, _MARGIN), size).adjusted(0.5, 0.5, -0.5, -0.5)
    around = QPainterPath()
    around.addRect(QRectF(QPointF(), whole))
    around.addRoundedRect(outline, theme.CORNER, theme.CORNER)  # odd-even: all but this
    painter = QPainter(frame)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillPath(around, ground)
    painter.setPen(QPen(line, width))
    painter.drawRoundedRect(outline, theme.CORNER, theme.CORNER)
    painter.end()
    return frame
