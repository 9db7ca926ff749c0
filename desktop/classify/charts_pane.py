"""The charts of many photos: classes, confidence, and when they were taken."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from desktop import theme
from desktop.classify.charts import ChartColumn, Charts, column_words
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.column_chart import ColumnChart
from desktop.widgets.count_bars import CountBars
from desktop.widgets.plain_label import PlainLabel

_MIN_ROWS = 6
"""Classes that are seen without scrolling; more where the pane is high enough."""


class ChartsPane(QScrollArea):
    """Shows Charts; what has nothing to show takes no room."""

    class_chosen = Signal(str)
    """Show the photos of this class."""

    def __init__(self) -> None:
        super().__init__()
        self._charts = Charts(0)
        self.classes = CountBars(tr("Photos by class"), _MIN_ROWS)
        self.classes.chosen.connect(self.class_chosen)
        self.confidence = ColumnChart(tr("Photos by confidence"))
        self.time = ColumnChart(tr("Photos by date taken"))
        self._time_title = PlainLabel(tr("Date taken"), "heading")
        self._unsure = PlainLabel(tr("Hatched: unsure"), "small")
        self.copy_picture = build.button(tr("Copy picture"), "copy", "quiet")
        self.copy_table = build.button(tr("Copy table"), "copy", "quiet")
        self.copy_picture.clicked.connect(self._copy_picture)
        self.copy_table.clicked.connect(self._copy_table)
        self._drawn = QWidget()
        build.column(
            theme.XS,
            PlainLabel(tr("Classes"), "heading"),
            self.classes,
            theme.S,
            build.row(PlainLabel(tr("Confidence"), "heading"), None, self._unsure),
            self.confidence,
            theme.S,
            self._time_title,
            self.time,
            parent=self._drawn,
            margins=(0, 0, theme.S, 0),
        )
        self._inner = inner = QWidget()
        # Close together: in other languages they take the whole of a narrow pane.
        buttons = build.row(self.copy_picture, self.copy_table, None, spacing=0)
        build.column(self._drawn, buttons, None, parent=inner)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(inner)
        inner.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)

    def show_charts(self, charts: Charts) -> None:
        self._charts = charts
        self.classes.show_counts(charts.classes)
        self.classes.setAccessibleName(
            tr("Photos by class: {classes}", classes=charts.class_words())
        )
        _show(self.confidence, charts.confidence)
        _show(self.time, charts.time)
        self._unsure.setVisible(any(each.unsure for each in charts.confidence))
        for part in (self.time, self._time_title):
            part.setVisible(bool(charts.time))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Show as many classes as there is room for beside all else."""
        others = self._inner.sizeHint().height() - self.classes.height()
        self.classes.set_max_height(self.viewport().height() - others, at_least=_MIN_ROWS)

    def text(self) -> str:
        """Return the facts of the charts in words."""
        return self._charts.class_words()

    def _copy_picture(self) -> None:
        QGuiApplication.clipboard().setPixmap(self._drawn.grab())

    def _copy_table(self) -> None:
        data = QMimeData()
        data.setText(self._charts.table())
        QGuiApplication.clipboard().setMimeData(data)


def _show(chart: ColumnChart, columns: tuple[ChartColumn, ...]) -> None:
    chart.show_columns(
        [(each.words, each.photos, each.unsure) for each in columns], column_words(columns)
    )
