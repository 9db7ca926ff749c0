"""Where the tiles of a grid are: it follows from their numbers, none is kept."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtWidgets import QAbstractItemView

_Cursor = QAbstractItemView.CursorAction


class TileLayout:
    """`count` cells of one size, `in_row` in a line; in pixels from the first one's corner."""

    def __init__(self) -> None:
        self.cell = QSize(1, 1)
        self.in_row = 1

    def height(self, count: int) -> int:
        return -(-count // self.in_row) * self.cell.height()

    def rect(self, number: int) -> QRect:
        line, column = divmod(number, self.in_row)
        corner = QPoint(column * self.cell.width(), line * self.cell.height())
        return QRect(corner, self.cell)

    def tile_at(self, point: QPoint, count: int) -> int | None:
        """Return the number of the tile at a point; None beside and below all of them."""
        column, line = point.x() // self.cell.width(), point.y() // self.cell.height()
        number = line * self.in_row + column
        return number if 0 <= column < self.in_row and 0 <= number < count else None

    def lines_in(self, area: QRect, count: int) -> tuple[int, int]:
        """Return the first and the last tile of the lines that `area` touches."""
        height = self.cell.height()
        first = max(0, area.top() // height) * self.in_row
        return first, min((area.bottom() // height + 1) * self.in_row, count) - 1

    def tiles_in(self, area: QRect, count: int) -> list[tuple[int, int]]:
        """Return the tiles that `area` touches, as the first and the last of each line."""
        left = max(0, area.left() // self.cell.width())
        right = min(self.in_row - 1, area.right() // self.cell.width())
        first, last = self.lines_in(area, count)
        starts = range(first + left, last + 1, self.in_row) if left <= right else range(0)
        return [(start, min(start + right - left, last)) for start in starts]

    def moved(
        self, number: int, action: QAbstractItemView.CursorAction, count: int, page: int
    ) -> int:
        """Return the tile to which a key leads from another; the same if there is none.

        `page` is how many tiles are on the screen.
        """
        if action is _Cursor.MoveHome:
            return 0
        last = count - 1
        if action is _Cursor.MoveEnd:
            return last
        steps = {
            _Cursor.MoveLeft: -1,
            _Cursor.MovePrevious: -1,
            _Cursor.MoveRight: 1,
            _Cursor.MoveNext: 1,
            _Cursor.MoveUp: -self.in_row,
            _Cursor.MoveDown: self.in_row,
            _Cursor.MovePageUp: -page,
            _Cursor.MovePageDown: page,
        }
        target = number + steps[action]
        if action is _Cursor.MovePageUp:
            target = max(target, number % self.in_row)
        # The last line may have no tile below this one: then it is the last one of all.
        if action in (_Cursor.MoveDown, _Cursor.MovePageDown):
            is_in_last_line = number // self.in_row == last // self.in_row
            target = number if is_in_last_line else min(target, last)
        return target if 0 <= target <= last else number
