"""The running jobs on one line: progress, rate, time left, and how to cancel them."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QProgressBar, QSizePolicy, QToolButton, QWidget

from desktop import formats, theme
from desktop.jobs import Job, Jobs
from desktop.pause import Pause
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build, plain_text
from desktop.widgets.elided_label import ElidedLabel

SHOW_AFTER_SECONDS = 0.6
"""How long a job runs before it is shown, so that short ones do not flicker."""


def describe(job: Job[Any]) -> str:
    """Return how a running job is doing, as one line."""
    if job.pause is not None and job.pause.paused:
        return tr("{job}, paused", job=translated(job.text) or job.title)
    if job.has_own_eta:
        return f"{job.title}: {translated(job.text)}" if job.text else job.title
    parts = [translated(job.text) or job.title]
    if job.total and not job.text:
        parts[0] = tr(
            "{title}: {done} of {total}",
            title=job.title,
            done=formats.count(job.done),
            total=formats.count(job.total),
        )
    if (rate := job.rate) is not None and job.total > 1:
        parts.append(formats.rate(rate))
    if (left := job.seconds_left) is not None:
        parts.append(tr("{duration} left", duration=formats.duration(max(1, left))))
    return ", ".join(parts)


class JobLine(QWidget):
    """Shows the newest job that has run for a while; a menu has the others."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self._shown: Job[Any] | None = None
        self._text = ElidedLabel()
        self._text.setFont(theme.font(theme.Size.SMALL, numbers=True))
        self._text.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._bar = QProgressBar()
        self._bar.setMinimumWidth(40)
        self._bar.setMaximumWidth(120)
        self._bar.setTextVisible(False)
        self.pause = build.icon_button("pause", tr("Pause"))
        self.pause.clicked.connect(self._toggle_pause)
        self._cancel = build.icon_button("close", tr("Cancel"))
        self._cancel.clicked.connect(self.cancel_shown)
        self._others = QToolButton()
        theme.set_role(self._others, "status")
        self._others.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._others.setMenu(self._menu)
        build.row(self._text, self._bar, self.pause, self._cancel, self._others, None, parent=self)
        self._timer = QTimer(self)
        self._timer.setInterval(200)
        self._timer.timeout.connect(self._refresh)
        jobs.started.connect(self._timer.start)
        jobs.finished.connect(self._refresh)
        self._refresh()

    @property
    def text(self) -> str:
        """What the line says; empty while nothing worth showing runs."""
        return self._text.text() if self._shown else ""

    def _visible_jobs(self) -> list[Job[Any]]:
        return [
            job
            for job in self._jobs.running
            if not job.background and job.seconds >= SHOW_AFTER_SECONDS
        ]

    def _refresh(self) -> None:
        jobs = self._visible_jobs()
        self._shown = jobs[-1] if jobs else None
        for widget in (self._text, self._bar, self._cancel):
            widget.setVisible(self._shown is not None)
        self._show_pause(self._shown.pause if self._shown is not None else None)
        self._others.setVisible(len(jobs) > 1)
        if not any(not job.background for job in self._jobs.running):
            self._timer.stop()
        if self._shown is None:
            return
        self._text.setText(describe(self._shown))
        self._bar.setRange(0, self._shown.total)
        self._bar.setValue(min(self._shown.done, self._shown.total))
        self._bar.setAccessibleName(describe(self._shown))
        words = tr("Cancel: {job}", job=self._shown.title)
        if words != self._cancel.accessibleName():  # asked five times a second
            self._cancel.setToolTip(plain_text.tooltip(words))
            self._cancel.setAccessibleName(words)
        self._others.setText(tr("and {count} more", count=formats.count(len(jobs) - 1)))

    def _show_pause(self, pause: Pause | None) -> None:
        self.pause.setVisible(pause is not None)
        paused = pause is not None and pause.paused
        words = tr("Go on") if paused else tr("Pause")
        if words != self.pause.accessibleName():
            theme.set_icon(self.pause, "play" if paused else "pause", side=16)
            self.pause.setToolTip(plain_text.tooltip(words))
            self.pause.setAccessibleName(words)

    def _toggle_pause(self) -> None:
        if self._shown is not None and self._shown.pause is not None:
            self._shown.pause.toggle()
            self._refresh()

    def cancel_shown(self) -> None:
        """Cancel the job that the line shows."""
        if self._shown is not None:
            self._shown.cancel()

    def _fill_menu(self) -> None:
        self._menu.clear()
        for job in reversed(self._visible_jobs()):
            action = QAction(
                plain_text.caption(tr("Cancel: {job}", job=describe(job)), 120), self._menu
            )
            action.triggered.connect(partial(Job.cancel, job))
            self._menu.addAction(action)
