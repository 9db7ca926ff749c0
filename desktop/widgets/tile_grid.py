"""A grid of tiles that fills the width: photos, models."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QCursor,
    QFont,
    QFontMetrics,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QRegion,
    QResizeEvent,
    QStaticText,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QRubberBand,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionRubberBand,
    QStyleOptionViewItem,
)

from desktop import theme
from desktop.widgets.plain_text import one_line
from desktop.widgets.tile_frame import TileFrames
from desktop.widgets.tile_layout import TileLayout
from desktop.widgets.timers import single_shot_timer

GAP = theme.XS
"""Half of what is between two tiles."""

_SCROLL_STEP = 24
"""Pixels of a line of the scroll bar."""
_MAX_LINES = 1000
"""Of text in a font that are kept laid out: classes and states come again and again."""
_MAX_RANGES = 100
"""Of a selection that is painted again tile by tile; of more, all of it is."""

Index = QModelIndex | QPersistentModelIndex


class Tiles(QStyledItemDelegate):
    """Paints tiles of one size: a frame, a picture at its top, and text below that.

    Subclasses say what is in them.
    """

    min_width = 152
    """Of a cell, in pixels; its real width is what fills the row."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.cell = QSize(self.min_width, self.min_width)
        self.ratio = 1.0
        """Device pixels in a pixel."""
        self.ground = "surface"
        """The token of the colour behind the tiles."""
        self._frames = TileFrames()

    def picture_height(self, width: float) -> int:
        """Return how high the picture of a tile is that is `width` wide."""
        return round(width * 3 / 4)

    def text_height(self) -> int:
        """Return what a tile needs below its picture."""
        raise NotImplementedError

    def paint_picture(self, painter: QPainter, frame: QRectF, index: Index) -> None:
        """Paint the picture into all of `frame`; its corners are rounded afterwards."""
        raise NotImplementedError

    def paint_text(self, painter: QPainter, box: QRectF, index: Index) -> None:
        """Paint into all that is below the picture."""
        raise NotImplementedError

    def fit(self, width: int, ratio: float) -> QSize:
        """Choose the cell size so that cells fill `width`; returns it."""
        cell = max(self.min_width, width // max(1, width // self.min_width))
        height = self.picture_height(cell - 2 * GAP) + self.text_height() + 2 * GAP
        self.cell, self.ratio = QSize(cell, height), ratio
        return self.cell

    def tile_rect(self, cell: QRectF) -> QRectF:
        """Return where in a cell the tile is."""
        # The gap is at the right and the bottom, so that the first tile stands in line with what
        # is above the grid; a pixel is for its outline.
        return cell.adjusted(1, 1, 1 - 2 * GAP, 1 - 2 * GAP)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return self.cell

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        tile = self.tile_rect(QRectF(option.rect))
        picture = QRectF(tile.x(), tile.y(), tile.width(), self.picture_height(tile.width()))
        fill = "accent_soft" if selected else "hover" if hovered else "raised"
        painter.save()
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        painter.fillRect(tile, theme.color(fill))
        self.paint_picture(painter, picture, index)
        # The tile that keys act on stands out among those that are selected with it.
        width = 3 if focused else 2 if selected else 1
        line, ground = theme.color("accent" if width > 1 else "line"), theme.color(self.ground)
        self._frames.paint(painter, tile, line, width, ground, self.ratio)
        below = tile.adjusted(0, picture.height(), 0, 0)
        self.paint_text(painter, below, index)
        painter.restore()


class TileGrid(QListView):
    """Shows the tiles of a model, as many in a row as fit.

    Where a tile is follows from its number alone. QListView would place each item, and again
    after every change: half a second for 100,000. It is the base all the same, since it is a
    list to screen readers; its own layout is never made.
    """

    def __init__(self, name: str) -> None:
        """`name` is the accessible name; `set_tiles` comes next."""
        super().__init__()
        self._tiles: Tiles | None = None
        self._places = TileLayout()
        self._update_range = single_shot_timer(0, self.updateGeometries, self)
        self.ground = "surface"
        """The token of the colour behind the grid: `raised` in a panel."""
        self._band = QRect()
        """What the mouse is dragged over to select it, in pixels from the first tile."""
        self.setAccessibleName(name)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        # Or Qt would paint all of it again for each pixel that is scrolled: what lies under a
        # viewport that shows it cannot be moved with the tiles.
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def set_tiles(self, tiles: Tiles) -> None:
        """Paint the items as `tiles` does."""
        self._tiles = tiles
        self.setItemDelegate(tiles)

    def fit(self) -> int:
        """Choose the size of the cells for the width of now; returns how many are in a row."""
        width = self.width() - self.verticalScrollBar().sizeHint().width() - 1
        if self._tiles is None:
            return 1
        cell = self._tiles.fit(width, self.devicePixelRatioF())
        in_row, places = max(1, width // cell.width()), self._places
        if (cell, in_row) != (places.cell, places.in_row):
            places.cell, places.in_row = cell, in_row
            self.scheduleDelayedItemsLayout()
        return in_row

    def visualRect(self, index: Index) -> QRect:
        return self._rect(index.row()) if index.isValid() else QRect()

    def indexAt(self, point: QPoint) -> QModelIndex:
        row = self._row_at(point)
        return QModelIndex() if row is None else self.model().index(row, 0)

    def scrollTo(
        self,
        index: Index,
        hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible,
    ) -> None:
        if not index.isValid():
            return
        # Or the range would be that of before.
        self.executeDelayedItemsLayout()
        if self._update_range.isActive():
            self.updateGeometries()
        bar, rect, height = self.verticalScrollBar(), self.visualRect(index), self._height()
        hints = QAbstractItemView.ScrollHint
        step = 0
        if hint is hints.PositionAtCenter:
            step = rect.center().y() - height // 2
        elif hint is hints.PositionAtTop or rect.top() < 0:
            step = rect.top()
        elif hint is hints.PositionAtBottom or rect.bottom() >= height:
            step = min(rect.top(), rect.bottom() + 1 - height)
        bar.setValue(bar.value() + step)

    def horizontalOffset(self) -> int:
        return 0

    def verticalOffset(self) -> int:
        return self.verticalScrollBar().value()

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        count, row = self._count(), self.currentIndex().row()
        if not count:
            return QModelIndex()
        page = max(1, self._height() // self._places.cell.height()) * self._places.in_row
        target = self._places.moved(row, action, count, page) if row >= 0 else 0
        return self.model().index(target, 0)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        selection = QItemSelection()
        model = self.model()
        if self.state() is QAbstractItemView.State.DragSelectingState:
            self._band = rect.normalized().translated(0, self.verticalOffset())
            self.viewport().update()
            runs = self._places.tiles_in(self._band, self._count())
        else:  # from one tile to another, with all between them
            ends = (self._row_at(rect.topLeft()), self._row_at(rect.bottomRight()))
            known = [row for row in ends if row is not None]
            runs = [(min(known), max(known))] if len(known) == len(ends) else []
        for first, last in runs:
            selection.select(model.index(first, 0), model.index(last, 0))
        self.selectionModel().select(selection, command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        ranges = selection.toList()
        if not ranges:
            return QRegion()
        first, last = self._visible_rows(self.viewport().rect())
        region = QRegion()
        for each in ranges[:_MAX_RANGES]:
            for row in range(max(first, each.top()), min(last, each.bottom()) + 1):
                region |= self._rect(row)
        return region if len(ranges) <= _MAX_RANGES else QRegion(self.viewport().rect())

    def updateGeometries(self) -> None:
        bar = self.verticalScrollBar()
        bar.setSingleStep(_SCROLL_STEP)
        bar.setPageStep(self._height())
        bar.setRange(0, max(0, self._places.height(self._count()) - self._height()))
        QAbstractItemView.updateGeometries(self)

    def doItemsLayout(self) -> None:
        QAbstractItemView.doItemsLayout(self)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.fit()
        QAbstractItemView.resizeEvent(self, event)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.viewport().scroll(dx, dy)

    def rowsInserted(self, parent: Index, start: int, end: int) -> None:
        QAbstractItemView.rowsInserted(self, parent, start, end)
        self._lay_out_from(start)

    def rowsAboutToBeRemoved(self, parent: Index, start: int, end: int) -> None:
        QAbstractItemView.rowsAboutToBeRemoved(self, parent, start, end)
        self._lay_out_from(start)

    def dataChanged(self, first: Index, last: Index, roles: Sequence[int] = ()) -> None:
        top, bottom = self._visible_rows(self.viewport().rect())
        # Qt would paint the whole viewport again for several rows, wherever they are.
        if (first.row() <= bottom and last.row() >= top) or QAccessible.isActive():
            QAbstractItemView.dataChanged(self, first, last, list(roles))

    def currentChanged(self, current: Index, previous: Index) -> None:
        QAbstractItemView.currentChanged(self, current, previous)
        if current.isValid() and self.hasFocus():
            self._tell_screen_reader(QAccessible.Event.Focus, current.row())

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        QAbstractItemView.selectionChanged(self, selected, deselected)
        for selection, what in (
            (selected, QAccessible.Event.Selection),
            (deselected, QAccessible.Event.SelectionRemove),
        ):
            if ranges := selection.toList():
                self._tell_screen_reader(what, ranges[0].top())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if not self._band.isNull():
            self._band = QRect()
            self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._tiles is None:
            return
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), theme.color(self.ground))
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        flags = QStyle.StateFlag
        plain = option.state & ~(
            flags.State_MouseOver | flags.State_Selected | flags.State_HasFocus
        )
        viewport, model, selected = self.viewport(), self.model(), self.selectionModel()
        under = viewport.underMouse()
        hovered = self._row_at(viewport.mapFromGlobal(QCursor.pos())) if under else None
        focused = self.currentIndex().row() if self.hasFocus() else None
        self._tiles.ground = self.ground
        first, last = self._visible_rows(event.rect())
        for row in range(first, last + 1):
            rect, index = self._rect(row), model.index(row, 0)
            if not event.region().intersects(rect):  # the others of a line in which one changed
                continue
            state = plain
            if row == hovered:
                state |= flags.State_MouseOver
            if row == focused:
                state |= flags.State_HasFocus
            if selected.isSelected(index):
                state |= flags.State_Selected
            option.state = state
            option.rect = rect
            self._tiles.paint(painter, option, index)
        if not self._band.isNull():
            band = QStyleOptionRubberBand()
            band.initFrom(self)
            band.rect = self._band.translated(0, -self.verticalOffset())
            band.shape = QRubberBand.Shape.Rectangle
            self.style().drawControl(QStyle.ControlElement.CE_RubberBand, band, painter)
        painter.end()

    def _count(self) -> int:
        model = self.model()
        return 0 if model is None else model.rowCount()

    def _height(self) -> int:
        return self.viewport().height()

    def _rect(self, row: int) -> QRect:
        """Return where the tile of a row is in the viewport."""
        return self._places.rect(row).translated(0, -self.verticalOffset())

    def _row_at(self, point: QPoint) -> int | None:
        return self._places.tile_at(point + QPoint(0, self.verticalOffset()), self._count())

    def _lay_out_from(self, row: int) -> None:
        """Lay the tiles from `row` on out again, once the change of the rows is over."""
        if row > self._visible_rows(self.viewport().rect())[1]:
            # What is in sight stays as it is, and need not be painted again: while thousands of
            # photos are classified, rows below it come and go several times a second.
            self._update_range.start()
        else:
            self.scheduleDelayedItemsLayout()

    def _visible_rows(self, area: QRect) -> tuple[int, int]:
        """Return the first and the last row of the lines that `area` of the viewport touches."""
        return self._places.lines_in(area.translated(0, self.verticalOffset()), self._count())

    def _tell_screen_reader(self, what: QAccessible.Event, row: int) -> None:
        if QAccessible.isActive():
            event = QAccessibleEvent(self, what)
            event.setChild(row)
            QAccessible.updateAccessibility(event)


class Face:
    """A font with its metrics, and the lines that were drawn last: too slow for every tile."""

    def __init__(self, font: QFont) -> None:
        self.font = font
        self.metrics = QFontMetrics(font)
        self.height = self.metrics.height()
        self._lines: dict[tuple[str, int, Qt.TextElideMode], QStaticText] = {}

    def draw(
        self,
        painter: QPainter,
        space: QRectF,
        text: str,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        """Draw one line, shortened to what fits."""
        painter.setFont(self.font)
        painter.drawStaticText(space.topLeft(), self._line(text, int(space.width()), mode))

    def draw_right(self, painter: QPainter, space: QRectF, text: str) -> float:
        """Draw one line at the right of `space`, and return how wide it is."""
        painter.setFont(self.font)
        line = self._line(text, int(space.width()), Qt.TextElideMode.ElideRight)
        width = line.size().width()
        painter.drawStaticText(QPointF(space.right() - width, space.top()), line)
        return width

    def _line(self, text: str, width: int, mode: Qt.TextElideMode) -> QStaticText:
        line = self._lines.get((text, width, mode))
        if line is None:
            if len(self._lines) >= _MAX_LINES:
                self._lines.clear()
            line = QStaticText(self.metrics.elidedText(one_line(text), mode, width))
            line.setTextFormat(Qt.TextFormat.PlainText)
            line.prepare(font=self.font)
            self._lines[text, width, mode] = line
        return line
