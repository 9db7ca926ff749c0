"""The grid of tiles: where they are, how keys and mouse select them, and what is painted."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from PySide6.QtCore import QPoint, QRectF, QStringListModel, Qt
from PySide6.QtGui import QMouseEvent, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication

from desktop.widgets.tile_grid import Index, TileGrid, Tiles
from tests.gui.conftest import show

IN_ROW, COUNT = 4, 30
Key, Shift, Left = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.MouseButton.LeftButton


class Plain(Tiles):
    """Notes which tiles are painted."""

    min_width = 100

    def __init__(self, grid: TileGrid) -> None:
        super().__init__(grid)
        self.painted: list[int] = []

    def text_height(self) -> int:
        return 20

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        self.painted.append(index.row())

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        """There is none."""


@pytest.fixture
def grid(application: QApplication) -> TileGrid:
    made = TileGrid("Tiles")
    made.setModel(QStringListModel([f"tile {number}" for number in range(COUNT)], made))
    made.set_tiles(Plain(made))
    made.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    show(made, IN_ROW * 100 + made.verticalScrollBar().sizeHint().width() + 1, 250)
    made.activateWindow()
    made.setFocus()
    return made


def selected(grid: TileGrid) -> list[int]:
    return sorted(index.row() for index in grid.selectionModel().selectedIndexes())


def center(grid: TileGrid, row: int) -> QPoint:
    return grid.visualRect(grid.model().index(row, 0)).center()


def press(grid: TileGrid, *keys: Qt.Key) -> int:
    for key in keys:
        QTest.keyClick(grid, key)
    return grid.currentIndex().row()


def go_to(grid: TileGrid, row: int) -> None:
    grid.setCurrentIndex(grid.model().index(row, 0))


def test_tiles_fill_the_lines_and_the_bar_has_the_rest(grid: TileGrid) -> None:
    cell = grid.visualRect(grid.model().index(0, 0)).size()
    assert grid.visualRect(grid.model().index(5, 0)).topLeft() == QPoint(
        cell.width(), cell.height()
    )
    assert grid.indexAt(center(grid, 6)).row() == 6
    assert not grid.indexAt(QPoint(IN_ROW * cell.width() + 1, 5)).isValid()
    assert grid.verticalScrollBar().maximum() == 8 * cell.height() - grid.viewport().height()
    grid.model().removeRows(0, COUNT - 1)
    QApplication.processEvents()
    assert grid.verticalScrollBar().maximum() == 0
    assert not grid.indexAt(QPoint(cell.width() + 5, 5)).isValid()


@pytest.mark.parametrize(
    ("start", "keys", "end"),
    [
        (5, [Key.Key_Right], 6),
        (5, [Key.Key_Left, Key.Key_Left], 3),
        (5, [Key.Key_Up], 1),
        (2, [Key.Key_Up], 2),
        (5, [Key.Key_Down], 9),
        (27, [Key.Key_Down], 29),
        (29, [Key.Key_Down], 29),
        (29, [Key.Key_Right], 29),
        (5, [Key.Key_End], 29),
        (5, [Key.Key_Home], 0),
        (5, [Key.Key_PageDown], 13),
        (27, [Key.Key_PageDown], 29),
        (5, [Key.Key_PageUp], 1),
    ],
)
def test_keys_lead_from_one_tile_to_another(
    grid: TileGrid, start: int, keys: Iterable[Qt.Key], end: int
) -> None:
    go_to(grid, start)
    assert press(grid, *keys) == end
    assert selected(grid) == [end]
    assert grid.viewport().rect().contains(center(grid, end)), "it is in sight"


def test_shift_selects_all_tiles_from_one_to_another(grid: TileGrid) -> None:
    QTest.mouseClick(grid.viewport(), Left, pos=center(grid, 2))
    QTest.mouseClick(grid.viewport(), Left, Shift, center(grid, 5))
    assert selected(grid) == [2, 3, 4, 5]
    QTest.keyClick(grid, Key.Key_Down, Shift)
    assert selected(grid) == list(range(2, 10))
    QTest.mouseClick(grid.viewport(), Left, Shift, center(grid, 0))
    assert selected(grid) == [0, 1, 2]
    grid.selectAll()
    assert selected(grid) == list(range(COUNT))


def test_dragging_the_mouse_selects_what_it_goes_over(grid: TileGrid) -> None:
    viewport = grid.viewport()
    start, end = center(grid, 0), center(grid, 5)
    QTest.mousePress(viewport, Left, pos=start)
    for point in (start + QPoint(20, 20), end):
        move = QMouseEvent(
            QMouseEvent.Type.MouseMove,
            point.toPointF(),
            viewport.mapToGlobal(point).toPointF(),
            Qt.MouseButton.NoButton,
            Left,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(viewport, move)
    assert selected(grid) == [0, 1, 4, 5]
    with_band = viewport.grab().toImage()
    QTest.mouseRelease(viewport, Left, pos=end)
    assert selected(grid) == [0, 1, 4, 5]
    assert viewport.grab().toImage() != with_band


def test_only_the_tiles_in_sight_are_painted(grid: TileGrid) -> None:
    tiles = grid.itemDelegate()
    assert isinstance(tiles, Plain)
    grid.scrollTo(grid.model().index(17, 0), QAbstractItemView.ScrollHint.PositionAtTop)
    tiles.painted.clear()
    grid.viewport().grab()
    assert tiles.painted == list(range(16, 28))
    QApplication.processEvents()
    tiles.painted.clear()
    grid.update(grid.model().index(18, 0))
    QApplication.processEvents()
    assert set(tiles.painted) <= {18}, "only what changed"


def test_rows_below_those_in_sight_come_and_go_without_painting(grid: TileGrid) -> None:
    tiles, model, bar = grid.itemDelegate(), grid.model(), grid.verticalScrollBar()
    assert isinstance(tiles, Plain)
    QApplication.processEvents()
    tiles.painted.clear()
    before = bar.maximum()
    model.insertRows(COUNT, IN_ROW)
    QApplication.processEvents()
    assert bar.maximum() > before
    model.removeRows(COUNT, IN_ROW)
    QApplication.processEvents()
    assert (bar.maximum(), tiles.painted) == (before, [])
    model.insertRows(COUNT, 4 * IN_ROW)
    grid.scrollTo(model.index(COUNT + 4 * IN_ROW - 1, 0))
    assert bar.value() == bar.maximum() > before
    tiles.painted.clear()
    model.removeRows(COUNT + 3 * IN_ROW, 1)
    QApplication.processEvents()
    assert tiles.painted


def test_the_first_tile_that_appears_is_reached_by_a_key(grid: TileGrid) -> None:
    model = grid.model()
    model.removeRows(0, COUNT)
    assert press(grid, Key.Key_Down) == -1
    model.insertRows(0, 3)
    QApplication.processEvents()
    assert grid.visualRect(model.index(2, 0)).isValid()
    assert press(grid, Key.Key_Down) in (0, 1)
