"""The map with its legend, and what keys do with the photos that are selected on it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import formats, theme
from desktop.classify.likeness.map_points import COLORING_WORDS, Coloring, MapGroup, facts
from desktop.classify.likeness.map_view import MapView
from desktop.classify.thumbnails import Thumbnails
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import one_line, tooltip

_DOT = 10
_MAX_NAME = 24
"""Characters of a class in the legend."""
HINT = tr("Drag around photos, or press G for the nearest ones; then 1 to 9 label them.")


class MapPanel(QWidget):
    """Shows what MapPresenter says."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self.view = MapView(thumbnails)
        self.coloring = ComboBox(
            tr("Colors of the map"), [(each, COLORING_WORDS[each]) for each in Coloring]
        )
        self.legend = MapLegend()
        self.zoom_in = build.icon_button("plus", tr("Zoom in (+)"))
        self.zoom_out = build.icon_button("minus", tr("Zoom out (-)"))
        self.fit = build.button(tr("Whole map"), tip=tr("Show the whole map (Home)"))
        self.compare = build.button("")
        self.sentence = PlainLabel("", "small", wrap=True)
        self.limit = PlainLabel("", "small", wrap=True)
        self.limit.hide()
        self.zoom_in.clicked.connect(lambda: self.view.zoom(1.5))
        self.zoom_out.clicked.connect(lambda: self.view.zoom(1 / 1.5))
        self.fit.clicked.connect(self.view.fit)
        line = build.row(self.coloring, None, self.compare, self.zoom_out, self.zoom_in, self.fit)
        build.column(
            line,
            self.limit,
            self.legend,
            (self.view, 1),
            self.sentence,
            parent=self,
            margins=(theme.XS, 0, theme.M, theme.S),
        )
        self.show_missing(0)
        self.setFocusProxy(self.view)

    def show_groups(self, groups: Sequence[MapGroup]) -> None:
        """Say what the colours stand for."""
        self.legend.show_groups(groups)
        photos = sum(len(group.rows) for group in groups)
        self.view.setAccessibleDescription(f"{formats.plural(photos, 'photo')}: {facts(groups)}")

    def show_missing(self, count: int) -> None:
        """Offer to find the places of `count` photos that cannot be compared yet."""
        self.compare.setVisible(count > 0)
        self.compare.setText(tr("Place {count} more", count=formats.count(count)))
        self.compare.setToolTip(
            tr("They were classified before photos could be compared, and are classified again.")
        )

    def show_limit(self, max_photos: int, photos: int, *, selected: bool) -> None:
        """Say which of `photos` are on the map if it has room for `max_photos` of them.

        `selected` says that selected photos took precedence.
        """
        self.limit.setVisible(photos > max_photos)
        if photos > max_photos:
            sentence = (
                tr("{count} of {total} photos are on the map: the selected ones, then the newest.")
                if selected
                else tr("{count} of {total} photos are on the map: the newest.")
            )
            counts = sentence.format(count=formats.count(max_photos), total=formats.count(photos))
            self.limit.setText(f"{counts} {tr('A filter shows others.')}")


class MapLegend(QWidget):
    """The colours with their words and counts, in as many lines as they need."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: list[MapGroup] = []
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_groups(self, groups: Sequence[MapGroup]) -> None:
        self._groups = sorted(groups, key=lambda group: group.color < 0)
        self.setAccessibleName(tr("Colors of the map: {groups}", groups=facts(groups)))
        self.setToolTip(tooltip(facts(groups)))
        self.updateGeometry()
        self.update()

    def heightForWidth(self, width: int) -> int:
        lines = [box.bottom() for box in self._boxes(width)]
        return round(max(lines, default=self._line()))

    def sizeHint(self) -> QSize:
        return QSize(200, self.heightForWidth(max(200, self.width())))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(theme.Size.SMALL))
        for group, box in zip(self._groups, self._boxes(self.width()), strict=True):
            dot = QRectF(box.x(), box.center().y() - _DOT / 2, _DOT, _DOT)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.map_color(group.color))
            if group.is_wrong:
                painter.drawRect(dot)
            else:
                painter.drawEllipse(dot)
            painter.setPen(theme.color("text"))
            words = box.adjusted(_DOT + theme.XS, 0, 0, 0)
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, _words(group))
        painter.end()

    def _line(self) -> int:
        return self.fontMetrics().height() + theme.XS

    def _boxes(self, width: int) -> list[QRectF]:
        x, y, boxes = 0.0, 0.0, []
        for group in self._groups:
            needed = _DOT + theme.XS + self.fontMetrics().horizontalAdvance(_words(group))
            if x and x + needed > width:
                x, y = 0.0, y + self._line()
            boxes.append(QRectF(x, y, needed, self._line()))
            x += needed + theme.M
        return boxes


def _words(group: MapGroup) -> str:
    return f"{one_line(group.words, _MAX_NAME)} {formats.count(len(group.rows))}"
