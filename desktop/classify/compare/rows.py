"""Photos with the bars of two versions side by side, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from desktop import theme
from desktop.classify.compare.answers import ROWS, PhotoComparison
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.formats import percent
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets.picture import center_crop
from desktop.widgets.plain_text import one_line, tooltip
from serving.predict.prediction import Score

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_COMPARED = Qt.ItemDataRole.UserRole + 1
_BAR = 4
_GAP = 2
_CHANGED, _SAME = tr("Changed"), tr("Same")


class ComparedRows(QListView):
    """Every row says the same in words, and leads to its photo by Enter or a double click."""

    photo_chosen = Signal(object)
    """Path: show this photo in the gallery."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._model = _Rows()
        self.setModel(self._model)
        self.setItemDelegate(_Row(self, thumbnails))
        self.setAccessibleName(tr("Photos with the answers of both versions"))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.doubleClicked.connect(self._choose)
        thumbnails.ready.connect(lambda _: self.viewport().update())

    @property
    def bars_left(self) -> int:
        """Pixels before the bars of the first version, of which those of the second fill the other
        half."""
        return _row_height() - 2 * theme.S + theme.S + theme.M

    @property
    def bars_right(self) -> int:
        """Pixels behind the bars, with the scroll bar."""
        return theme.S + self.verticalScrollBar().sizeHint().width()

    @property
    def shown(self) -> Sequence[PhotoComparison]:
        return self._model.compared

    def show_rows(self, compared: Sequence[PhotoComparison], names: tuple[str, str]) -> None:
        """Show photos; `names` are those of the versions."""
        self._model.show_rows(compared, names)
        self.scrollToTop()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and self.currentIndex().isValid():
            self._choose(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def _choose(self, index: Index) -> None:
        self.photo_chosen.emit(self._model.compared[index.row()].path)


class _Rows(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.compared: Sequence[PhotoComparison] = ()
        self._names = ("", "")

    def show_rows(self, compared: Sequence[PhotoComparison], names: tuple[str, str]) -> None:
        self.beginResetModel()
        self.compared, self._names = compared, names
        self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.compared)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        each = self.compared[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return each.words(self._names)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(each.words(self._names))
        return each if role == _COMPARED else None


class _Row(QStyledItemDelegate):
    """Paints the photo, its name and label, and the bars of both versions."""

    def __init__(self, view: QListView, thumbnails: Thumbnails) -> None:
        super().__init__(view)
        self._view = view
        self._thumbnails = thumbnails

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(320, _row_height())

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        each: PhotoComparison = index.data(_COMPARED)
        box = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = self._view.hasFocus() and self._view.currentIndex() == index
        if focused or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(theme.color("accent"), 1) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("hover"))
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), theme.CORNER, theme.CORNER)
        area = box.adjusted(theme.S, theme.S, -theme.S, -theme.S)
        side = area.height()
        self._paint_photo(painter, QRectF(area.x(), area.y(), side, side), each.path)
        area.setLeft(area.left() + side + theme.M)
        self._paint_head(painter, area, each)
        line = QFontMetrics(theme.font()).height()
        area.setTop(area.top() + line + theme.XS)
        if not each.problem:
            half = (area.width() - theme.L) / 2
            left = QRectF(area.x(), area.y(), half, area.height())
            self._paint_bars(painter, left, each.first, each.label)
            self._paint_bars(painter, left.translated(half + theme.L, 0), each.second, each.label)
        painter.restore()

    def _paint_photo(self, painter: QPainter, frame: QRectF, path: Path) -> None:
        ratio = painter.device().devicePixelRatioF()
        picture = self._thumbnails.get(ThumbnailKey(path, round(frame.width() * ratio)))
        if picture is None or picture.isNull():
            painter.fillRect(frame, theme.color("sunken"))
        else:
            painter.drawPixmap(frame, picture, center_crop(picture, frame))

    def _paint_head(self, painter: QPainter, area: QRectF, each: PhotoComparison) -> None:
        """Paint the name of the photo, its label or its problem, and whether it changed."""
        painter.setFont(theme.font(strong=each.changed))
        metrics = painter.fontMetrics()
        line = QRectF(area.x(), area.y(), area.width(), metrics.height())
        mark = "" if each.problem else _CHANGED if each.changed else _SAME
        painter.setPen(theme.color("waiting" if each.changed else "muted"))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, mark)
        line.setRight(line.right() - metrics.horizontalAdvance(_CHANGED) - theme.M)
        painter.setFont(theme.font())
        label = tr("labelled {label}", label=each.label) if each.label else ""
        text = f"{each.path.name}   {translated(each.problem) or label}".rstrip()
        painter.setPen(theme.color("failed" if each.problem else "muted"))
        text = painter.fontMetrics().elidedText(
            one_line(text), Qt.TextElideMode.ElideRight, int(line.width())
        )
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, text)

    def _paint_bars(
        self, painter: QPainter, area: QRectF, scores: Sequence[Score], label: str
    ) -> None:
        height = QFontMetrics(theme.font()).height()
        for row, score in enumerate(scores):
            top = area.y() + row * _bar_pitch()
            line = QRectF(area.x(), top, area.width(), height)
            ink = "text" if row == 0 else "muted"
            painter.setPen(theme.color(ink))
            painter.setFont(theme.font(numbers=True, strong=row == 0))
            number = percent(score.score)
            painter.drawText(line, Qt.AlignmentFlag.AlignRight, number)
            right = painter.fontMetrics().horizontalAdvance(number) + theme.S
            space = line.adjusted(0, 0, -right, 0)
            if row == 0 and label:
                icon = "check" if score.name == label else "close"
                ratio = painter.device().devicePixelRatioF()
                center = QRectF(space.x(), space.y(), 12, height).center()
                theme.paint_icon(painter, center, icon, ink, 12, ratio)
                space.setLeft(space.left() + 12 + theme.XS)
            painter.setFont(theme.font(strong=row == 0))
            name = painter.fontMetrics().elidedText(
                one_line(score.name), Qt.TextElideMode.ElideRight, int(space.width())
            )
            painter.drawText(space, Qt.AlignmentFlag.AlignLeft, name)
            track = QRectF(area.x(), line.bottom() + _GAP, area.width(), _BAR)
            painter.setPen(Qt.PenStyle.NoPen)
            for token, share in (("sunken", 1.0), ("accent" if row == 0 else "bar", score.score)):
                if share >= 0.005:
                    track.setWidth(max(_BAR, area.width() * min(1.0, share)))
                    painter.setBrush(theme.color(token))
                    painter.drawRoundedRect(track, _BAR / 2, _BAR / 2)


def _bar_pitch() -> int:
    return QFontMetrics(theme.font()).height() + _GAP + _BAR + theme.XS


def _row_height() -> int:
    return QFontMetrics(theme.font()).height() + theme.XS + ROWS * _bar_pitch() + 2 * theme.S
