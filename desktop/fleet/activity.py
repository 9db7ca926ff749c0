"""What the selected instance did: a chart for each measure, over a time that can be chosen."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.fleet.metric_chart import MetricChart
from desktop.fleet.metric_history import HISTORY_SECONDS, SPARKLINE_SECONDS, Metric, MetricHistory

WINDOWS = {"3 min": SPARKLINE_SECONDS, "15 min": 900.0, "1 h": HISTORY_SECONDS}
"""The times that can be chosen, in seconds, by what their buttons say."""


class Activity(QWidget):
    """The charts of one instance."""

    def __init__(self, history: MetricHistory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = history
        self._instance_id = ""
        self.charts = {metric: MetricChart(metric) for metric in Metric}
        self.windows = {text: _choice(text) for text in WINDOWS}
        self._window = SPARKLINE_SECONDS

        heading = QLabel("Activity")
        theme.set_role(heading, "heading")
        bar = QHBoxLayout()
        bar.setSpacing(0)
        bar.addWidget(heading)
        bar.addStretch(1)
        group = QButtonGroup(self)
        for text, button in self.windows.items():
            group.addButton(button)
            bar.addWidget(button)
            button.clicked.connect(lambda _checked=False, text=text: self._choose(WINDOWS[text]))
        next(iter(self.windows.values())).setChecked(True)
        grid = QGridLayout()
        grid.setSpacing(theme.L)
        for place, chart in enumerate(self.charts.values()):
            grid.addWidget(chart, place // 2, place % 2)
        for row, stretch in enumerate((100, 100, 1)):
            grid.setRowStretch(row, stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, theme.L, 0)
        layout.setSpacing(theme.S)
        layout.addLayout(bar)
        layout.addLayout(grid, 1)

    def show_instance(self, instance_id: str) -> None:
        """Draw what is known of this instance now."""
        self._instance_id = instance_id
        for metric, chart in self.charts.items():
            points = self._history.points(instance_id, metric, self._window)
            chart.show_points(points, self._window)

    def _choose(self, window: float) -> None:
        self._window = window
        self.show_instance(self._instance_id)


def _choice(text: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setCheckable(True)
    button.setAccessibleName(f"Show the last {text}")
    theme.set_role(button, "segment")
    return button
