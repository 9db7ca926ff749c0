"""What drops down from "Filter": the values of each facet, with how many photos have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QWidget,
)

from desktop import theme
from desktop.classify.gallery_query import FACET_WORDS, Facet, value_words
from desktop.classify.photo import PhotoState
from desktop.classify.shown_photos import ShownPhotos
from desktop.formats import count, plural
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.plain_text import one_line, tooltip
from desktop.widgets.search_field import SearchField

_ROOT = QModelIndex()
_SIZE = QSize(400, 400)
_ROW = 30
_BOX = 14
_COUNT = Qt.ItemDataRole.UserRole + 1
_CHECKED = Qt.ItemDataRole.UserRole + 2
_MIN_VALUES_TO_FIND = 10
"""With fewer, there is no field to find one of them."""

Index = QModelIndex | QPersistentModelIndex


class FilterPanel(QFrame):
    """One facet at a time; any number of its values can be checked, in any number of facets."""

    query_changed = Signal(object)
    """Query, with what is checked now."""

    def __init__(self, shown: ShownPhotos, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        theme.set_role(self, "panel")
        self.setAccessibleName(tr("Filter photos"))
        self.setFixedSize(_SIZE)
        self._shown = shown
        self._facet = Facet.STATE
        self._facets = QButtonGroup(self)
        self._buttons: dict[Facet, QToolButton] = {}
        for facet in Facet:
            button = QToolButton()
            theme.set_role(button, "segment")
            button.setText(FACET_WORDS[facet])
            button.setCheckable(True)
            button.clicked.connect(lambda _, facet=facet: self.show_facet(facet))
            self._facets.addButton(button)
            self._buttons[facet] = button
        self.field = SearchField(tr("Find a value"))
        self.field.setPlaceholderText(tr("Find"))
        self.field.textChanged.connect(self._refresh)
        self._values = _Values()
        self.list = _ValueList(self._values)
        self.list.toggled.connect(self._toggle)
        self.clear = build.button(tr("Show all photos"), role="quiet")
        self.clear.clicked.connect(
            lambda: self.query_changed.emit(self._shown.query.without_filter())
        )
        margins = (theme.M, theme.M, theme.M, theme.M)
        build.column(
            build.row(*self._buttons.values(), None, spacing=0),
            self.field,
            (self.list, 1),
            build.row(self.clear, None),
            parent=self,
            margins=margins,
        )

    def open_below(self, control: QWidget) -> None:
        """Show the panel under `control`, inside its window."""
        corner = control.mapToGlobal(QPoint(0, control.height() + theme.XS))
        window = control.window()
        right = window.mapToGlobal(QPoint(window.width(), 0)).x() - theme.S
        corner.setX(min(corner.x(), right - self.width()))
        self.field.clear()
        self.move(corner)
        self.refresh()
        self.show()
        self.list.setFocus(Qt.FocusReason.PopupFocusReason)

    def show_facet(self, facet: Facet) -> None:
        """Offer the values of `facet`."""
        self._facet = facet
        self.field.clear()
        self.refresh()

    def refresh(self) -> None:
        """Count again; does nothing that is seen unless the counts changed."""
        chosen = self._shown.query.chosen
        for facet, button in self._buttons.items():
            number = len(chosen.get(facet, ()))
            words = FACET_WORDS[facet]
            button.setText(f"{words} ({number})" if number else words)
            button.setChecked(facet is self._facet)
        self.clear.setEnabled(self._shown.query.is_filter)
        self._refresh()

    def _refresh(self) -> None:
        facet = self._facet
        checked = self._shown.query.chosen.get(facet, frozenset())
        counts = dict(self._shown.counts(facet))
        for value in checked:
            counts.setdefault(value, 0)
        self.field.setVisible(len(counts) >= _MIN_VALUES_TO_FIND)
        typed = self.field.text().strip().lower()
        values = [
            (value, number)
            for value, number in _in_order(facet, counts)
            if typed in value_words(facet, value).lower()
        ]
        self._values.show_values(facet, values, checked)
        self.list.setAccessibleName(tr("{facet} of the photos", facet=FACET_WORDS[facet]))

    def _toggle(self, value: str) -> None:
        self.query_changed.emit(self._shown.query.toggled(self._facet, value))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            facets = list(Facet)
            step = 1 if event.key() == Qt.Key.Key_Right else -1
            self.show_facet(facets[(facets.index(self._facet) + step) % len(facets)])
        else:
            super().keyPressEvent(event)


def _in_order(facet: Facet, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return states in the order that photos go through them, and others the most frequent first;
    what is the lack of a value comes last."""
    if facet is Facet.STATE:
        return [(state.value, counts.get(state.value, 0)) for state in PhotoState]
    return sorted(counts.items(), key=lambda item: (not item[0], -item[1], item[0].casefold()))


class _Values(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self._facet = Facet.STATE
        self._values: list[tuple[str, int]] = []
        self._checked: frozenset[str] = frozenset()

    def show_values(
        self, facet: Facet, values: list[tuple[str, int]], checked: frozenset[str]
    ) -> None:
        same = facet is self._facet and [each for each, _ in values] == [
            each for each, _ in self._values
        ]
        if not same:
            self.beginResetModel()
        self._facet, self._values, self._checked = facet, values, checked
        if not same:
            self.endResetModel()
        elif values:
            self.dataChanged.emit(self.index(0), self.index(len(values) - 1))

    def value(self, row: int) -> str:
        return self._values[row][0]

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._values)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        value, number = self._values[index.row()]
        words = value_words(self._facet, value)
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return words
            case Qt.ItemDataRole.CheckStateRole:
                is_checked = value in self._checked
                return Qt.CheckState.Checked if is_checked else Qt.CheckState.Unchecked
            case Qt.ItemDataRole.AccessibleTextRole:
                photos = plural(number, "photo")
                if value in self._checked:
                    return tr("{value}: {photos}, checked", value=words, photos=photos)
                return f"{words}: {photos}"
            case Qt.ItemDataRole.ToolTipRole:
                return tooltip(f"{words}: {plural(number, 'photo')}")
        if role == _CHECKED:
            return value in self._checked
        return number if role == _COUNT else None


class _ValueList(QListView):
    toggled = Signal(str)

    def __init__(self, values: _Values) -> None:
        super().__init__()
        self._values = values
        self.setModel(values)
        self.setItemDelegate(_ValueRow(self))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.clicked.connect(self._toggle)

    def _toggle(self, index: Index) -> None:
        self.toggled.emit(self._values.value(index.row()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.key() in keys and self.currentIndex().isValid():
            self._toggle(self.currentIndex())
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            event.ignore()  # the panel goes to the next facet
        else:
            super().keyPressEvent(event)


class _ValueRow(QStyledItemDelegate):
    """Paints a box, the value, and its count at the right."""

    def __init__(self, view: QListView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: QRect = option.rect
        area = QRectF(row).adjusted(theme.S, 0, -theme.S, 0)
        checked = bool(index.data(_CHECKED))
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        focused = self._view.hasFocus() and self._view.currentIndex() == index
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if hovered or focused:
            painter.setPen(QPen(theme.color("accent"), 1) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("hover"))
            frame = QRectF(row).adjusted(0.5, 0.5, -0.5, -0.5)
            painter.drawRoundedRect(frame, theme.CORNER, theme.CORNER)
        box = QRectF(area.x(), area.center().y() - _BOX / 2, _BOX, _BOX)
        painter.setPen(QPen(theme.color("accent" if checked else "line_strong"), 1))
        painter.setBrush(theme.color("accent" if checked else "raised"))
        painter.drawRoundedRect(box, 4, 4)
        if checked:
            ratio = painter.device().devicePixelRatioF()
            theme.paint_icon(painter, box.center(), "check", "on_accent", 12, ratio)
        number = count(index.data(_COUNT))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(theme.font(numbers=True))
        painter.setPen(theme.color("muted"))
        painter.drawText(area, middle | Qt.AlignmentFlag.AlignRight, number)
        width = painter.fontMetrics().horizontalAdvance(number) + theme.M
        text = area.adjusted(_BOX + theme.S, 0, -width, 0)
        painter.setFont(theme.font(strong=checked))
        painter.setPen(theme.color("text"))
        # The end of a folder tells more than its beginning.
        shown = painter.fontMetrics().elidedText(
            one_line(index.data()), Qt.TextElideMode.ElideMiddle, int(text.width())
        )
        painter.drawText(text, middle | Qt.AlignmentFlag.AlignLeft, shown)
        painter.restore()
