"""Watches for damaged files, and offers to repair them. Comes after the first paint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication

from desktop.formats import plural
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.repair import CHECKS, QUICK_CHECKS, repair_all
from desktop.start_fleet import start_first_instances
from desktop.translation import tr
from serving.background import in_background
from serving.progress import Report
from serving.repair.problem import WorkspaceProblem, find_problems
from serving.workspace import Workspace

if TYPE_CHECKING:
    from desktop.app import App

POLL_SECONDS = 20.0
"""Between two looks at the small files, and at the databases if reading those takes a moment."""
_MIN_PAUSE_RATIO = 100
"""Shortest pause between two looks at the databases, as a multiple of what one takes: it reads all
of them."""
_MAX_NAMED = 3
_KEPT = tr("Nothing is destroyed: what is damaged is moved to the workspace's folder “damaged”.")


async def start_repair(app: App, stack: AsyncExitStack) -> None:
    """Look for damage now and from time to time, for as long as the application runs."""

    async def go_on(repaired: Sequence[WorkspaceProblem]) -> None:
        if any(problem.path == app.workspace.desktop_database for problem in repaired):
            await app.classify.load()
        if app.fleet.is_ready:
            start_first_instances(app, await app.fleet)

    presenter = RepairPresenter(app.workspace, app.jobs, app.notifications, go_on)
    await stack.enter_async_context(in_background(presenter.watch(), name="look for damage"))


class RepairPresenter:
    """Says what is damaged in the workspace, once, and repairs it when a person asks for it."""

    def __init__(
        self,
        workspace: Workspace,
        jobs: Jobs,
        notifications: Notifications,
        on_repaired: Callable[[Sequence[WorkspaceProblem]], Awaitable[None]],
    ) -> None:
        self._workspace = workspace
        self._jobs = jobs
        self._notifications = notifications
        self._on_repaired = on_repaired
        self._shown: set[str] = set()
        self._repairing = asyncio.Lock()

    async def watch(self) -> None:
        """Look until cancelled: at the small files, and at the databases as often as is cheap."""
        due = 0.0
        while True:
            begin = time.monotonic()
            thorough = begin >= due
            await self.look(thorough=thorough)
            if thorough:
                end = time.monotonic()
                due = end + _MIN_PAUSE_RATIO * (end - begin)
            await asyncio.sleep(POLL_SECONDS)

    async def look(self, *, thorough: bool = False) -> None:
        """Show what is damaged of the small files now; with `thorough`, of the databases too."""
        checks = CHECKS if thorough else QUICK_CHECKS
        async with self._repairing:  # what is being moved is not damaged
            problems = await asyncio.to_thread(find_problems, self._workspace, checks)
        self.show(problems, all_checked=thorough)

    def show(self, problems: Sequence[WorkspaceProblem], *, all_checked: bool = True) -> None:
        """Show the problems that are new; one that is gone is shown when it comes back."""
        new = [problem for problem in problems if problem.text not in self._shown]
        if all_checked:
            self._shown.clear()
        self._shown.update(problem.text for problem in problems)
        repairable = [problem for problem in new if problem.repair is not None]
        for problem in new:
            if problem.repair is None:
                self._notifications.error(problem.what_error())
        if repairable:
            self._notifications.problem(
                summary(repairable), _KEPT, tr("Repair"), partial(self._start, tuple(problems))
            )

    def _start(self, problems: Sequence[WorkspaceProblem]) -> None:
        self._jobs.start(tr("Repair the workspace"), partial(self._repair, problems))

    async def _repair(self, problems: Sequence[WorkspaceProblem], report: Report) -> None:
        async with self._repairing:
            done, failed = await asyncio.to_thread(repair_all, problems)
            self._shown.clear()
        for error in failed:
            self._notifications.error(error)
        if len(done) > 1:
            details = "\n".join(done)
            self._notifications.info(
                tr(
                    "{repairs} carried out. What was damaged is in {folder}.",
                    repairs=plural(len(done), "repair"),
                    folder=self._workspace.damaged,
                ),
                tr("Copy details"),
                lambda: QGuiApplication.clipboard().setText(details),
            )
        elif done:
            self._notifications.info(done[0], stays=True)
        await self._on_repaired(problems)


def summary(problems: Sequence[WorkspaceProblem]) -> str:
    """Return what is wrong in one sentence."""
    if len(problems) == 1:
        return problems[0].what
    files = plural(len(problems), "file")
    names = ", ".join(problem.path.name for problem in problems[:_MAX_NAMED])
    more = len(problems) - _MAX_NAMED
    if more > 0:
        return tr(
            "{files} of the workspace cannot be used: {names} and {more} more.",
            files=files,
            names=names,
            more=more,
        )
    return tr("{files} of the workspace cannot be used: {names}.", files=files, names=names)
