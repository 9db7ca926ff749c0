"""The line at the bottom: which jobs run, how many instances are ready, what is live."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QToolButton

from desktop import theme
from desktop.jobs import Jobs
from desktop.widgets import build, plain_text
from desktop.widgets.job_line import JobLine
from desktop.widgets.model_button import ModelButton
from serving.fleet.rollout import Rollout

HEIGHT = 36
_MARK = 12
_FLEET_TIP = "Go to the fleet (Ctrl+4)"
_MAX_WIDTH = 300
"""Pixels of the text about the fleet, and of the name of the model."""


class StatusBar(QFrame):
    """Jobs on the left; the fleet and the model that answers on the right, each opens more."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        theme.set_role(self, "bar")
        self.setFixedHeight(HEIGHT)
        self.jobs = JobLine(jobs)
        self.fleet = _status_button(_FLEET_TIP)
        self.model = ModelButton("The model that answers; choose another", role="status")
        self.model.setFont(theme.font(theme.Size.SMALL, numbers=True))
        margins = (theme.M, 0, theme.S, 0)
        build.row((self.jobs, 1), self.fleet, self.model, parent=self, margins=margins)
        self._show_fleet("starting", "Fleet: starting")
        self.model.hide()

    def show_failed(self, sentence: str) -> None:
        """Say why there is no fleet."""
        self._show_fleet("failed", sentence)
        self.model.hide()

    def show_fleet(
        self, ready: int, desired: int, fault: str = "", rollout: Rollout | None = None
    ) -> None:
        """Say how many instances are ready, that the live version cannot be served, and where
        it is while it is not live everywhere."""
        is_on_its_way = rollout is not None and bool(rollout.live) and bool(rollout.waiting)
        more = fault or (rollout.sentence if rollout is not None and is_on_its_way else "")
        self.fleet.setToolTip(plain_text.tooltip(f"{more}\n{_FLEET_TIP}" if more else _FLEET_TIP))
        if fault:
            self._show_fleet("failed", f"Fleet: {ready} ready, the live version has a fault")
        elif rollout is not None and rollout.late:
            late = len(rollout.late)
            self._show_fleet("failed", f"Fleet: {ready} ready, {late} without v{rollout.version}")
        elif rollout is not None and is_on_its_way and ready >= desired:
            live = f"v{rollout.version} on {len(rollout.live)} of {ready}"
            self._show_fleet("starting", f"Fleet: {live}")
        elif desired == 0 and ready == 0:
            self._show_fleet("stopped", "Fleet: stopped")
        elif ready >= desired:
            self._show_fleet("ready", f"Fleet: {ready} ready")
        else:
            self._show_fleet("starting", f"Fleet: {ready} of {desired} ready")

    def show_model(self, model: str, version: int | None, canary: int | None = None) -> None:
        """Say which model answers, with which version, and which one answers a share."""
        self.model.setVisible(version is not None)
        if version is not None:
            name = plain_text.fitted(model, self.model.fontMetrics(), _MAX_WIDTH)
            beside = "" if canary is None else f", canary v{canary}"
            self.model.setText(f"{name} v{version}{beside}")
            self.model.setAccessibleName(
                f"{model} v{version} answers{beside}; choose another model"
            )

    def _show_fleet(self, state: str, text: str) -> None:
        self.fleet.setText(f" {plain_text.fitted(text, self.fleet.fontMetrics(), _MAX_WIDTH)}")
        self.fleet.setAccessibleName(text)
        theme.set_mark(self.fleet, state, _MARK)


def _status_button(tip: str) -> QToolButton:
    button = QToolButton()
    theme.set_role(button, "status")
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setToolTip(plain_text.tooltip(tip))
    button.setFont(theme.font(theme.Size.SMALL, numbers=True))
    return button
