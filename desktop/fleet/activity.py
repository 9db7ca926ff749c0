"""The charts of the selected instance, one for each metric, over a time that can be chosen."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QButtonGroup, QGridLayout, QToolButton, QWidget

from desktop import theme
from desktop.fleet.metric_chart import MetricChart
from desktop.fleet.metric_history import HISTORY_SECONDS, SPARKLINE_SECONDS, Metric, MetricHistory
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel

WINDOWS = {tr("3 min"): SPARKLINE_SECONDS, tr("15 min"): 900.0, tr("1 h"): HISTORY_SECONDS}
"""The times that can be chosen, in seconds, by the text of their buttons."""


class Activity(QWidget):
    """The charts of one instance."""

    def __init__(self, history: MetricHistory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = history
        self._instance_id = ""
        self.charts = {metric: MetricChart(metric) for metric in Metric}
        self.windows: dict[str, QToolButton] = {}
        self._window = SPARKLINE_SECONDS
        group = QButtonGroup(self)
        for text, seconds in WINDOWS.items():
            button = self.windows[text] = QToolButton()
            button.setText(text)
            button.setCheckable(True)
            button.setChecked(seconds == self._window)
            button.setAccessibleName(tr("Show the last {time}", time=text))
            theme.set_role(button, "segment")
            button.clicked.connect(partial(self._set_window, seconds))
            group.addButton(button)
        heading = build.row(
            PlainLabel(tr("Activity"), "heading"), None, *self.windows.values(), spacing=0
        )
        grid = QGridLayout()
        grid.setSpacing(theme.L)
        for index, chart in enumerate(self.charts.values()):
            grid.addWidget(chart, index // 2, index % 2)
        for row, stretch in enumerate((100, 100, 1)):
            grid.setRowStretch(row, stretch)
        build.column(heading, (grid, 1), parent=self, margins=(0, 0, theme.L, 0))

    def show_instance(self, instance_id: str) -> None:
        """Draw what is known of this instance now."""
        self._instance_id = instance_id
        for metric, chart in self.charts.items():
            points = self._history.points(instance_id, metric, self._window)
            chart.show_points(points, self._window)

    def _set_window(self, seconds: float, _checked: bool) -> None:
        self._window = seconds
        self.show_instance(self._instance_id)
