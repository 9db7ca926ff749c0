"""The line at the bottom: which jobs run, how many instances are ready, what is live."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QToolButton

from desktop import theme
from desktop.jobs import Jobs
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build, plain_text
from desktop.widgets.job_line import JobLine
from desktop.widgets.model_button import ModelButton
from serving.fleet.rollout import Rollout

HEIGHT = 36
_MARK = 12
_FLEET_TIP = tr("Go to the fleet (Ctrl+4)")
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
        self.model = ModelButton(tr("The model that answers; choose another"), role="status")
        self.model.setFont(theme.font(theme.Size.SMALL, numbers=True))
        margins = (theme.M, 0, theme.S, 0)
        build.row((self.jobs, 1), self.fleet, self.model, parent=self, margins=margins)
        self._show_fleet("starting", tr("Fleet: starting"))
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
        more = translated(fault) or (
            translated(rollout.sentence) if rollout is not None and is_on_its_way else ""
        )
        self.fleet.setToolTip(plain_text.tooltip(f"{more}\n{_FLEET_TIP}" if more else _FLEET_TIP))
        if fault:
            self._show_fleet(
                "failed", tr("Fleet: {ready} ready, the live version has a fault", ready=ready)
            )
        elif rollout is not None and rollout.late:
            late = len(rollout.late)
            self._show_fleet(
                "failed",
                tr(
                    "Fleet: {ready} ready, {late} without v{version}",
                    ready=ready,
                    late=late,
                    version=rollout.version,
                ),
            )
        elif rollout is not None and is_on_its_way and ready >= desired:
            words = tr(
                "Fleet: v{version} on {live} of {ready}",
                version=rollout.version,
                live=len(rollout.live),
                ready=ready,
            )
            self._show_fleet("starting", words)
        elif desired == 0 and ready == 0:
            self._show_fleet("stopped", tr("Fleet: stopped"))
        elif ready >= desired:
            self._show_fleet("ready", tr("Fleet: {ready} ready", ready=ready))
        else:
            self._show_fleet(
                "starting", tr("Fleet: {ready} of {desired} ready", ready=ready, desired=desired)
            )

    def show_model(self, model: str, version: int | None, canary: int | None = None) -> None:
        """Say which model answers, with which version, and which one answers a share."""
        self.model.setVisible(version is not None)
        if version is not None:
            name = plain_text.fitted(model, self.model.fontMetrics(), _MAX_WIDTH)
            if canary is None:
                shown = f"{name} v{version}"
                words = tr(
                    "{model} v{version} answers; choose another model", model=model, version=version
                )
            else:
                shown = tr(
                    "{model} v{version}, canary v{canary}",
                    model=name,
                    version=version,
                    canary=canary,
                )
                words = tr(
                    "{model} v{version} answers, canary v{canary}; choose another model",
                    model=model,
                    version=version,
                    canary=canary,
                )
            self.model.setText(shown)
            self.model.setAccessibleName(words)

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
