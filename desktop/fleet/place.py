"""Joins the Fleet place to the fleet: what is shown, and what the buttons do."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from desktop.fleet.page import FleetPage
from desktop.formats import plural
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from serving.errors import EngineError, ServeryError
from serving.files import write_aside
from serving.fleet.fleet import Fleet
from serving.progress import Report

SAMPLE_SECONDS = 1.0
"""Between two points of a chart."""
LOG_SECONDS = 1.0
"""Between two looks at the log of the selected instance."""
LOG_LINES = 1000


class LogNotSaved(ServeryError):
    """A log could not be written to the file that a person chose."""


def connect_fleet(page: FleetPage, fleet: Fleet, jobs: Jobs, notifications: Notifications) -> None:
    """Keep `page` up to date with `fleet` and carry out what it asks for.

    Needs a running event loop and a fleet that somebody runs or watches; ends when
    `jobs` is closed.
    """
    place = _FleetPlace(page, fleet, jobs, notifications)
    page.scale_wanted.connect(place.scale)
    page.restart_wanted.connect(place.restart)
    page.stop_wanted.connect(place.stop)
    page.log_save_wanted.connect(place.save_log)
    page.selected.connect(place.look_at_log)
    jobs.start("Show the fleet", place.show, quiet=True)
    jobs.start("Follow the log", place.follow_log, quiet=True)


class _FleetPlace:
    def __init__(
        self, page: FleetPage, fleet: Fleet, jobs: Jobs, notifications: Notifications
    ) -> None:
        self._page = page
        self._fleet = fleet
        self._jobs = jobs
        self._notifications = notifications
        self._look_at_log = asyncio.Event()

    async def show(self, report: Report) -> None:
        """Show every view as it comes, and sample the charts in between, until cancelled."""
        unsubscribe = self._fleet.subscribe(self._page.show_view)
        try:
            while True:
                self._page.show_view(self._fleet.view)
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            unsubscribe()

    async def follow_log(self, report: Report) -> None:
        """Show the log of the selected instance while the page can be seen, until cancelled."""
        while True:
            self._look_at_log.clear()
            instance_id = self._page.selected_id
            if instance_id is not None and self._page.isVisible():
                try:
                    latest = await self._fleet.logs(instance_id, LOG_LINES)
                except EngineError:
                    latest = None
                if latest is not None:
                    self._page.show_log(instance_id, latest)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOG_SECONDS):
                    await self._look_at_log.wait()

    def look_at_log(self) -> None:
        self._look_at_log.set()

    def scale(self, wanted: int) -> None:
        async def work(report: Report) -> None:
            await self._fleet.scale(wanted, report)

        title = f"Run {plural(wanted, 'instance')}" if wanted else "Stop all instances"
        self._jobs.start(title, work)

    def restart(self, instance_id: str) -> None:
        async def work(report: Report) -> None:
            report(0, 0, "The new instance starts before the old one stops.")
            await self._fleet.restart(instance_id)

        self._jobs.start(f"Restart {instance_id}", work)

    def stop(self, instance_id: str) -> None:
        async def work(report: Report) -> None:
            report(0, 0, "It finishes what it accepted.")
            await self._fleet.stop_instance(instance_id)

        self._jobs.start(f"Stop {instance_id}", work)

    def save_log(self, path: str, text: str) -> None:
        async def work(report: Report) -> None:
            try:
                await asyncio.to_thread(write_aside, Path(path), text)
            except OSError as error:
                raise LogNotSaved(
                    f"The log could not be saved to {path}: {error.strerror or error}.",
                    "Choose another folder.",
                ) from error
            self._notifications.info(f"The log was saved to {path}.")

        self._jobs.start("Save the log", work)
