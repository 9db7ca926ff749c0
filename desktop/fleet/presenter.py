"""Connects the Fleet page to a fleet: what is shown, and what the buttons do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtGui import QGuiApplication

from desktop.fleet.log_lines import batches
from desktop.fleet.page import FleetPage
from desktop.fleet.wording import attached_sentence, is_attached
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.translation import tr, tr_plural
from serving.background import cancel_and_wait
from serving.engines.protocol import Instance, InstanceState
from serving.errors import EngineError, ServeryError, storage_error
from serving.files import write_export
from serving.fleet.fleet import Fleet
from serving.fleet.view import FleetView
from serving.progress import Report

SAMPLE_SECONDS = 2.0
"""Between two points of a chart on which nothing happens: it is drawn as it moves on."""
LOG_POLL_SECONDS = 1.0
"""Between two checks that the log that is followed is the one on screen."""
LOG_LINES = 1000
"""Lines of a log that are shown from before it was opened."""
FAILURE_LOG_LINES = 50
"""Lines of its log in the notice that an instance failed."""
BATCH_SECONDS = 0.1
"""Lines that come within this time are shown together."""
MAX_BATCH_LINES = 1000
"""Lines that are shown together at most."""


class LogSaveError(ServeryError):
    """A log could not be written to the file that a person chose."""


def counted(report: Report) -> Report:
    """Return a report that says `1 of 2` in the language of the window, whatever it is told."""
    return lambda done, total, _: report(
        done, total, tr("{number} of {count}", number=done, count=total)
    )


class FleetPresenter:
    """Keeps a FleetPage up to date with a fleet and carries out what the page asks for.

    Needs a running event loop and a fleet that somebody runs or watches; ends when
    `jobs` is closed.
    """

    def __init__(
        self,
        page: FleetPage,
        fleet: Fleet,
        jobs: Jobs,
        notifications: Notifications,
    ) -> None:
        self._page = page
        self._fleet = fleet
        self._jobs = jobs
        self._notifications = notifications
        self._loop = asyncio.get_running_loop()
        self._selection_changed = asyncio.Event()
        self._visibility_changed = asyncio.Event()
        self._shown_at = 0.0
        """When the page was drawn last, by the clock of the loop."""
        self._reported: set[str] = set()
        """Failed instances that a notice was shown for."""
        page.scale_requested.connect(self.scale)
        page.table.selection_changed.connect(self._selection_changed.set)
        page.visibility_changed.connect(self._selection_changed.set)
        page.visibility_changed.connect(self._visibility_changed.set)
        page.detail.restart_requested.connect(self.restart)
        page.detail.stop_requested.connect(self.stop)
        page.attach_requested.connect(self.attach)
        page.detail.detach_requested.connect(self.detach)
        page.detail.copy_command_requested.connect(self.copy_command)
        page.detail.log.save_requested.connect(self.save_log)
        jobs.start("Show the fleet", self._show_views, background=True)
        jobs.start("Follow the log", self._follow_log, background=True)

    async def _show_views(self, report: Report) -> None:
        """Show every view as it comes, until cancelled.

        While the page can be seen, sample the charts in between.
        """
        unsubscribe = self._fleet.subscribe(self._show)
        try:
            while True:
                self._visibility_changed.clear()
                self._draw(self._fleet.view)
                if self._page.is_seen:
                    with self._fleet.observe_often():
                        while self._page.is_seen:
                            await asyncio.sleep(SAMPLE_SECONDS)
                            if self._loop.time() - self._shown_at >= SAMPLE_SECONDS:
                                self._draw(self._fleet.view)
                else:
                    await self._visibility_changed.wait()
        finally:
            unsubscribe()

    def _draw(self, view: FleetView) -> None:
        self._shown_at = self._loop.time()
        self._page.show_view(view)

    def _show(self, view: FleetView) -> None:
        self._draw(view)
        failed = {
            each.instance.id: each.instance
            for each in view.instances
            if each.instance.state is InstanceState.FAILED
        }
        for new in failed.keys() - self._reported:
            self._jobs.start(
                "Report a failure", partial(self._report_failure, failed[new]), background=True
            )
        self._reported = set(failed)

    async def _report_failure(self, instance: Instance, report: Report) -> None:
        """Say why an instance failed, with the last lines of its log.

        The log is read now because the fleet replaces the instance, and its log goes with it.
        """
        try:
            engine = self._fleet.engine_of(instance.id)
            log = await engine.logs(instance.id, FAILURE_LOG_LINES)
        except EngineError as error:
            log = translated(str(error))
        self._notifications.error(
            EngineError(tr("Instance {instance} failed.", instance=instance.id), instance.failure),
            tr("{failure}\n\nThe last lines of its log:\n{log}", failure=instance.failure, log=log),
        )

    async def _follow_log(self, report: Report) -> None:
        """Show the log of the selected instance while the page can be seen, until cancelled."""
        followed: str | None = None
        following: asyncio.Task[None] | None = None
        try:
            while True:
                self._selection_changed.clear()
                shown = self._shown_id() if self._page.is_seen else None
                # A log that broke off (the instance restarted, the engine went away) is opened
                # again at the next turn.
                if shown != followed or (following is not None and following.done()):
                    if following is not None:
                        await cancel_and_wait(following)
                    followed, following = shown, None
                    if shown is not None:
                        following = asyncio.create_task(self._follow(shown))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if shown is None else LOG_POLL_SECONDS):
                        await self._selection_changed.wait()
        finally:
            if following is not None:
                await cancel_and_wait(following)

    async def _follow(self, instance_id: str) -> None:
        """Show what an instance printed and prints, until it ends."""
        # What the log begins with may be on show already; after that every line is new.
        show: Callable[[str, list[str]], None] = self._page.detail.log.show_latest
        engine = self._fleet.engine_of(instance_id)
        async with contextlib.aclosing(engine.follow_logs(instance_id, LOG_LINES)) as log:
            async for lines in batches(log, BATCH_SECONDS, MAX_BATCH_LINES):
                show(instance_id, lines)
                show = self._page.detail.log.add

    def _shown_id(self) -> str | None:
        """Return the instance whose log is shown; None for a server of others, which has none."""
        each = self._page.table.current
        return None if each is None or is_attached(each) else each.instance.id

    def attach(self, address: str) -> None:
        async def work(report: Report) -> None:
            view = await self._fleet.attach(address)
            for each in view.attached:
                if each.instance.id == address:
                    self._notifications.info(
                        tr("{address} is attached.", address=address)
                        + f" {attached_sentence(each)}"
                    )

        self._jobs.start(tr("Attach {address}", address=address), work)

    def detach(self, address: str) -> None:
        async def work(report: Report) -> None:
            await self._fleet.detach(address)
            self._notifications.info(tr("{address} is detached. It runs on.", address=address))

        self._jobs.start(tr("Detach {address}", address=address), work)

    def scale(self, count: int) -> None:
        title = (
            tr_plural("Run {count} instance", "Run {count} instances", count).format(count=count)
            if count
            else tr("Stop all instances")
        )
        self._jobs.start(
            title, lambda report: self._fleet.scale(count, counted(report)), has_own_eta=True
        )

    def restart(self, instance_id: str) -> None:
        async def work(report: Report) -> None:
            report(0, 0, tr("The new instance starts before the old one stops."))
            await self._fleet.restart(instance_id)

        self._jobs.start(tr("Restart {instance}", instance=instance_id), work)

    def stop(self, instance_id: str) -> None:
        failed = any(
            each.instance.id == instance_id and each.state is InstanceState.FAILED
            for each in self._fleet.view.instances
        )

        async def stop(report: Report) -> None:
            report(0, 0, tr("It finishes its requests first."))
            await self._fleet.stop_instance(instance_id)

        if failed:
            self._jobs.start(
                tr("Remove {instance}", instance=instance_id),
                lambda _: self._fleet.remove(instance_id),
            )
        else:
            self._jobs.start(tr("Stop {instance}", instance=instance_id), stop)

    def copy_command(self, instance_id: str) -> None:
        async def work(report: Report) -> None:
            command = await self._fleet.engine_of(instance_id).run_command(instance_id)
            QGuiApplication.clipboard().setText(command)
            self._notifications.info(tr("The command that starts such an instance was copied."))

        self._jobs.start(tr("Copy the command"), work)

    def save_log(self, path: str, text: str) -> None:
        async def work(report: Report) -> None:
            try:
                await asyncio.to_thread(write_export, Path(path), text)
            except OSError as error:
                what = tr("The log could not be saved to {path}", path=path)
                raise storage_error(error, Path(path), what, LogSaveError) from error
            self._notifications.info(tr("The log was saved to {path}.", path=path))

        self._jobs.start(tr("Save the log"), work)
