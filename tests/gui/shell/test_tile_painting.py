"""What tiles have in common is painted once, and looks as if each had been painted by itself."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRectF, QStringListModel, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QApplication

from desktop import theme
from desktop.widgets.plain_text import one_line
from desktop.widgets.tile_frame import TileFrames
from desktop.widgets.tile_grid import Face, Index, TileGrid, Tiles
from tests.gui.conftest import show

PICTURE = "#ff0000"
HARDLY_SEEN = 3
"""Of 255 levels of a colour: what rounding makes of edges that are blended in two steps."""


class Reds(Tiles):
    """Tiles with a red picture up to its corners."""

    min_width = 100

    def text_height(self) -> int:
        return 20

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        painter.fillRect(frame, QColor(PICTURE))

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        """There is none."""


def canvas(ratio: float = 1.0) -> QImage:
    image = QImage(round(200 * ratio), round(200 * ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(theme.color("surface"))
    return image


def most_different(one: QImage, other: QImage) -> int:
    """Return by how many levels the colours of two images differ at most."""
    assert one.size() == other.size()
    return max(
        _difference(one.pixelColor(x, y), other.pixelColor(x, y))
        for x in range(one.width())
        for y in range(one.height())
    )


def _difference(one: QColor, other: QColor) -> int:
    return max(
        abs(one.red() - other.red()),
        abs(one.green() - other.green()),
        abs(one.blue() - other.blue()),
    )


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("ratio", [1.0, 2.0])
@pytest.mark.parametrize(("token", "width"), [("line", 1), ("accent", 2), ("accent", 3)])
def test_a_frame_looks_like_a_clipped_tile(token: str, width: int, ratio: float) -> None:
    tile = QRectF(11, 17, 150, 160)
    clipped, framed = canvas(ratio), canvas(ratio)
    outline = QPainterPath()
    outline.addRoundedRect(tile.adjusted(0.5, 0.5, -0.5, -0.5), theme.CORNER, theme.CORNER)
    painter = QPainter(clipped)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillPath(outline, QColor(PICTURE))
    painter.setPen(QPen(theme.color(token), width))
    painter.drawPath(outline)
    painter.end()
    painter = QPainter(framed)
    painter.fillRect(tile, QColor(PICTURE))
    line, ground = theme.color(token), theme.color("surface")
    TileFrames().paint(painter, tile, line, width, ground, ratio)
    painter.end()
    assert framed.pixelColor(round(20 * ratio), round(20 * ratio)) == QColor(PICTURE)
    assert most_different(clipped, framed) <= HARDLY_SEEN


@pytest.mark.usefixtures("application")
def test_frames_of_many_sizes_and_looks_are_right_again_after_others() -> None:
    frames, tile = TileFrames(), QRectF(10, 10, 100, 100)
    line, ground = theme.color("line"), theme.color("surface")

    def painted(side: float, colour: QColor) -> QImage:
        image = canvas()
        painter = QPainter(image)
        frames.paint(painter, QRectF(tile.topLeft(), tile.size() * side), colour, 1, ground, 1.0)
        painter.end()
        return image

    before = painted(1.0, line)
    assert painted(1.0, QColor("blue")) != before
    for step in range(100):
        painted(0.5 + step / 200, line)
    assert painted(1.0, line) == before


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("ground", ["surface", "raised"])
def test_the_corners_of_a_tile_are_those_of_the_ground(ground: str) -> None:
    grid = TileGrid("Tiles")
    grid.setModel(QStringListModel(["one", "two"], grid))
    grid.set_tiles(Reds(grid))
    grid.ground = ground
    show(grid, 320, 250)
    QApplication.processEvents()
    picture = grid.viewport().grab().toImage()
    for row in (0, 1):
        corner = grid.visualRect(grid.model().index(row, 0)).topLeft()
        x, y = corner.x() + 1, corner.y() + 1
        assert picture.pixelColor(x, y) == theme.color(ground)
        assert picture.pixelColor(x + 20, y + 20) == QColor(PICTURE)


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize(
    "text",
    ["giant panda", "a name that is far too long for the line", "<b>&amp;</b>", "é\u202eabc", ""],
)
def test_a_line_looks_as_if_it_was_laid_out_each_time(text: str) -> None:
    face, space = Face(theme.font(strong=True)), QRectF(7, 30, 120, 20)
    plain, kept = canvas(), canvas()
    painter = QPainter(plain)
    painter.setFont(face.font)
    shown = face.metrics.elidedText(one_line(text), Qt.TextElideMode.ElideRight, 120)
    painter.drawText(space, Qt.AlignmentFlag.AlignLeft, shown)
    painter.end()
    painter = QPainter(kept)
    face.draw(painter, space, text)
    painter.end()
    assert kept == plain


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("text", ["91%", "<1%", ">99%", "100%"])
def test_a_number_ends_at_the_right(text: str) -> None:
    face, space = Face(theme.font(numbers=True)), QRectF(7, 30, 120, 20)
    image = canvas()
    painter = QPainter(image)
    width = face.draw_right(painter, space, text)
    painter.end()
    assert abs(width - face.metrics.horizontalAdvance(text)) <= 1
    ground = theme.color("surface")
    inked = [x for x in range(200) for y in range(200) if image.pixelColor(x, y) != ground]
    assert space.right() - 4 <= max(inked) <= space.right()
    assert space.right() - width - 1 <= min(inked)
