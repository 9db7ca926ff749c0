"""Joins the Fleet place to the fleet: what is shown, and what the buttons do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtGui import QGuiApplication

from desktop.fleet.log_lines import batches
from desktop.fleet.page import FleetPage
from desktop.formats import plural
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from serving.engines.protocol import Instance, InstanceState
from serving.errors import EngineError, ServeryError
from serving.files import write_aside
from serving.fleet.fleet import Fleet
from serving.fleet.view import FleetView
from serving.progress import Report

SAMPLE_SECONDS = 1.0
"""Between two points of a chart."""
LOG_POLL_SECONDS = 1.0
"""Between two looks whether the log that is followed is still the one that can be seen."""
LOG_LINES = 1000
"""Of what was printed before."""
FAILURE_LOG_LINES = 50
"""Of the log of an instance that failed."""
BATCH_SECONDS = 0.1
"""Lines that come closer together are shown together."""
MAX_BATCH_LINES = 1000
"""Lines that wait to be shown."""


class LogSaveError(ServeryError):
    """A log could not be written to the file that a person chose."""


def connect_fleet(page: FleetPage, fleet: Fleet, jobs: Jobs, notifications: Notifications) -> None:
    """Keep `page` up to date with `fleet` and carry out what it asks for.

    Needs a running event loop and a fleet that somebody runs or watches; ends when
    `jobs` is closed.
    """
    place = FleetPresenter(page, fleet, jobs, notifications)
    page.scale_requested.connect(place.scale)
    page.restart_requested.connect(place.restart)
    page.stop_requested.connect(place.stop)
    page.copy_command_requested.connect(place.copy_command)
    page.save_log_requested.connect(place.save_log)
    page.selection_changed.connect(place.check_log)
    jobs.start("Show the fleet", place.show, quiet=True)
    jobs.start("Follow the log", place.follow_log, quiet=True)


class FleetPresenter:
    def __init__(
        self, page: FleetPage, fleet: Fleet, jobs: Jobs, notifications: Notifications
    ) -> None:
        self._page = page
        self._fleet = fleet
        self._jobs = jobs
        self._notifications = notifications
        self._look_at_log = asyncio.Event()
        self._told: set[str] = set()
        """Instances that failed and were told of."""

    async def show(self, report: Report) -> None:
        """Show every view as it comes, and sample the charts in between, until cancelled."""
        unsubscribe = self._fleet.subscribe(self._show)
        try:
            while True:
                self._page.show_view(self._fleet.view)
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            unsubscribe()

    def _show(self, view: FleetView) -> None:
        self._page.show_view(view)
        failed = {
            each.instance.id: each.instance
            for each in view.instances
            if each.instance.state is InstanceState.FAILED
        }
        for new in failed.keys() - self._told:
            self._jobs.start("Tell of a failure", partial(self._tell, failed[new]), quiet=True)
        self._told = set(failed)

    async def _tell(self, instance: Instance, report: Report) -> None:
        """Say why an instance failed, with the last lines of its log: it is replaced soon."""
        try:
            log = await self._fleet.logs(instance.id, FAILURE_LOG_LINES)
        except EngineError as error:
            log = str(error)
        self._notifications.error(
            EngineError(f"Instance {instance.id} failed.", instance.failure),
            f"{instance.failure}\n\nThe last lines of its log:\n{log}",
        )

    async def follow_log(self, report: Report) -> None:
        """Show the log of the selected instance while the page can be seen, until cancelled."""
        followed: str | None = None
        following: asyncio.Task[None] | None = None
        try:
            while True:
                self._look_at_log.clear()
                seen = self._page.selected_id if self._page.isVisible() else None
                if seen != followed or (following is not None and following.done()):
                    await _ended(following)
                    followed, following = seen, None
                    if seen is not None:
                        following = asyncio.create_task(self._follow(seen))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOG_POLL_SECONDS):
                        await self._look_at_log.wait()
        finally:
            await _ended(following)

    async def _follow(self, instance_id: str) -> None:
        """Show what an instance printed and prints, until it ends."""
        show: Callable[[str, list[str]], None] = self._page.show_log
        async with contextlib.aclosing(self._fleet.follow_logs(instance_id, LOG_LINES)) as log:
            async for lines in batches(log, BATCH_SECONDS, MAX_BATCH_LINES):
                show(instance_id, lines)
                show = self._page.add_to_log

    def check_log(self) -> None:
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
        failed = any(
            each.instance.id == instance_id and each.state is InstanceState.FAILED
            for each in self._fleet.view.instances
        )

        async def stop(report: Report) -> None:
            report(0, 0, "It finishes what it accepted.")
            await self._fleet.stop_instance(instance_id)

        if failed:
            self._jobs.start(f"Remove {instance_id}", lambda _: self._fleet.remove(instance_id))
        else:
            self._jobs.start(f"Stop {instance_id}", stop)

    def copy_command(self, instance_id: str) -> None:
        async def work(report: Report) -> None:
            command = await self._fleet.run_command(instance_id)
            QGuiApplication.clipboard().setText(command)
            self._notifications.info("The command that starts such an instance was copied.")

        self._jobs.start("Copy the command", work)

    def save_log(self, path: str, text: str) -> None:
        async def work(report: Report) -> None:
            try:
                await asyncio.to_thread(write_aside, Path(path), text)
            except OSError as error:
                raise LogSaveError(
                    f"The log could not be saved to {path}: {error.strerror or error}.",
                    "Choose another folder.",
                ) from error
            self._notifications.info(f"The log was saved to {path}.")

        self._jobs.start("Save the log", work)


async def _ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end; what went wrong in it is tried again later."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
