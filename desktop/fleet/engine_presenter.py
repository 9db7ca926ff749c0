"""Connects the Fleet page to the engines: images, limits, and the move between engines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from desktop.fleet.engines import EngineAction, FleetEngines
from desktop.fleet.limits_dialog import LimitsDialog
from desktop.fleet.page import FleetPage
from desktop.fleet.presenter import counted
from desktop.jobs import Job, Jobs
from desktop.notifications import Notifications
from desktop.settings import Preferences, Settings
from desktop.translation import tr
from serving.fleet.fleet import Fleet
from serving.fleet.record import InstanceLimits
from serving.progress import Report
from serving.tf.cores import core_count

POLL_SECONDS = 5.0
"""Between two questions to the engines what can be done."""


class EnginePresenter:
    """Keeps the Fleet page's strip up to date and carries out what a person asks of the engines.

    Needs a running event loop; ends when `jobs` is closed.
    """

    def __init__(
        self,
        page: FleetPage,
        fleet: Fleet,
        engines: FleetEngines,
        settings: Settings,
        jobs: Jobs,
        notifications: Notifications,
    ) -> None:
        self._page = page
        self._fleet = fleet
        self._engines = engines
        self._jobs = jobs
        self._notifications = notifications
        self._refresh_requested = asyncio.Event()
        self._job: Job[Any] | None = None
        """Work on images or a move, one at a time."""
        page.strip.pull_requested.connect(self.pull)
        page.strip.load_requested.connect(self.load)
        page.strip.build_requested.connect(self.build)
        page.strip.move_requested.connect(self.move)
        page.strip.dismiss_requested.connect(
            lambda action: settings.change(dismissed_action=action)
        )
        page.strip.set_dismissed(settings.preferences.dismissed_action)
        settings.subscribe(self._on_settings_changed)
        page.limits.clicked.connect(self.open_limits_dialog)
        jobs.changed.connect(self._show_job)
        jobs.start("Watch the engines", self._watch, background=True)

    def _on_settings_changed(self, preferences: Preferences) -> None:
        self._page.strip.set_dismissed(preferences.dismissed_action)
        self._refresh_requested.set()

    async def _watch(self, report: Report) -> None:
        """Show what can be done, again and again, until cancelled."""
        while True:
            self._refresh_requested.clear()
            suggestion = await self._engines.suggest()
            self._page.strip.show_suggestion(suggestion)
            image_missing = suggestion is not None and suggestion.action is EngineAction.GET_IMAGE
            self._page.images.setVisible(self._engines.in_containers or image_missing)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._refresh_requested.wait()

    def _show_job(self, job: Job[Any]) -> None:
        if job is self._job:
            if not job.running:
                self._job = None
                self._refresh_requested.set()
            self._page.strip.show_job(self._job)

    def pull(self, name: str) -> None:
        self._start(
            tr("Pull {name}", name=name), lambda report: self._engines.pull(name, report), _loaded
        )

    def load(self, path: Path) -> None:
        self._start(
            tr("Load {name}", name=path.name),
            lambda report: self._engines.load(path, report),
            _loaded,
        )

    def build(self) -> None:
        self._start(tr("Build our own image"), self._engines.build, _loaded)

    def move(self) -> None:
        async def work(report: Report) -> str:
            report(0, 0, tr("The new instances start before the old ones stop."))
            await self._engines.move(counted(report))
            return self._fleet.view.engine_reason

        self._start(tr("Move the instances"), work, str)

    def open_limits_dialog(self) -> None:
        async def open_dialog(report: Report) -> None:
            images = [image.name for image in await self._engines.images()]
            defaults = (0, 0)
            if self._engines.in_containers:
                defaults = await self._engines.default_limits()
            dialog = LimitsDialog(
                self._fleet.limits,
                in_containers=self._engines.in_containers,
                images=images,
                cores=core_count(),
                memory=psutil.virtual_memory().total,
                default_memory=defaults[0],
                default_pids=defaults[1],
                parent=self._page.window(),
            )
            dialog.limits_requested.connect(self._set_limits)
            dialog.open()

        self._jobs.start(tr("Ask for limits"), open_dialog)

    def _set_limits(self, limits: InstanceLimits) -> None:
        async def work(report: Report) -> None:
            await self._fleet.set_limits(limits)
            await self._fleet.wait_until_converged(counted(report))

        self._jobs.start(tr("Change the limits"), work, has_own_eta=True)

    def _start(
        self,
        title: str,
        work: Callable[[Report], Awaitable[str]],
        message: Callable[[str], str],
    ) -> None:
        """Start work that the strip shows, unless there is some already; report its result."""
        if self._job is not None:
            self._notifications.info(
                tr(
                    "“{title}” is still under way. Start this once it is done.",
                    title=self._job.title,
                )
            )
            return

        async def run(report: Report) -> None:
            result = await work(report)
            self._notifications.info(message(result))

        self._job = self._jobs.start(title, run, has_own_eta=True)
        self._page.strip.show_job(self._job)


def _loaded(image: str) -> str:
    return tr("The container engine has the image {image} now.", image=image)
