"""Fills the help page: the licences, and on request the diagnostics for a bug report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication

from desktop.diagnostics import Screen, damaged_parts, diagnostics
from desktop.help_page import HelpPage
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.settings import Settings
from desktop.translation import tr
from serving.licences import parts
from serving.progress import Report
from serving.workspace import Workspace

if TYPE_CHECKING:
    from serving.fleet.view import FleetView


class HelpPresenter:
    """Does in the background what the page asks for."""

    def __init__(
        self,
        page: HelpPage,
        workspace: Workspace,
        settings: Settings,
        jobs: Jobs,
        notifications: Notifications,
        *,
        photo_count: Callable[[], int],
    ) -> None:
        self._page = page
        self._workspace = workspace
        self._settings = settings
        self._jobs = jobs
        self._notifications = notifications
        self._photo_count = photo_count
        self.fleet_view: Callable[[], FleetView] | None = None
        """Set once there is a fleet."""
        page.licences_requested.connect(
            lambda: jobs.start("Read the licences", self._read_licences, background=True)
        )
        page.diagnostics_requested.connect(
            lambda: jobs.start(tr("Gather diagnostics"), self._copy_diagnostics)
        )

    async def _read_licences(self, _: Report) -> None:
        try:
            self._page.licences.show_parts(await asyncio.to_thread(parts))
        except OSError as error:
            sentence = tr(
                "The licences could not be read: {reason}.", reason=error.strerror or error
            )
            self._page.licences.show_problem(sentence)

    async def _copy_diagnostics(self, report: Report) -> None:
        from desktop.repair import CHECKS  # slow to import, and seldom needed
        from serving.repair.problem import find_problems

        def look() -> tuple[list[tuple[str, str]], list[str]]:
            try:
                versions = [(part.name, part.version) for part in parts()]
            except OSError:  # the report is wanted above all where something is wrong
                versions = []
            problems = find_problems(self._workspace, CHECKS)
            return versions, damaged_parts(self._workspace, [each.path for each in problems])

        versions, damaged = await asyncio.to_thread(look)
        screen = self._page.screen()
        text = diagnostics(
            parts=versions,
            preferences=self._settings.preferences,
            screen=Screen(
                QGuiApplication.platformName(),
                screen.size().width(),
                screen.size().height(),
                self._page.devicePixelRatioF(),
            ),
            fleet=self.fleet_view() if self.fleet_view is not None else None,
            photos=self._photo_count(),
            damaged=damaged,
            errors=list(self._notifications.recent_errors),
        )
        QGuiApplication.clipboard().setText(text)
        self._notifications.info(
            tr("The diagnostics are on the clipboard, to be pasted into the report.")
        )
