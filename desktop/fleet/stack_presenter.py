"""Asks which stack is to be written if the Fleet page asks for one, and writes it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from desktop.fleet.engines import FleetEngines
from desktop.fleet.page import FleetPage
from desktop.fleet.stack_dialog import StackDialog
from desktop.jobs import Job, Jobs
from desktop.notifications import Notifications
from desktop.stack_export import export_stack, next_steps
from desktop.translation import tr
from serving.fleet.fleet import Fleet
from serving.private import persons_umask
from serving.progress import Report
from serving.stack.plan import StackPlan


class StackPresenter:
    """Connects the button of the Fleet page to the export of stacks."""

    def __init__(
        self,
        page: FleetPage,
        fleet: Fleet,
        engines: FleetEngines,
        jobs: Jobs,
        notifications: Notifications,
    ) -> None:
        self._page, self._fleet, self._engines = page, fleet, engines
        self._jobs, self._notifications = jobs, notifications
        page.stack.clicked.connect(self.ask)

    def ask(self) -> Job[None]:
        """Look at which images the engine has, and open the dialog."""

        async def work(report: Report) -> None:
            images = [each.name for each in await self._engines.images() if each.baked is not None]
            instances = self._fleet.view.desired_count
            dialog = StackDialog(images, instances, self._page.window())
            dialog.export_requested.connect(self.export)
            dialog.open()

        return self._jobs.start(tr("Look at the container engine"), work)

    def export(self, plan: StackPlan, folder: Path) -> Job[None]:
        """Write the files of a stack, and say where they are."""

        async def work(report: Report) -> None:
            await export_stack(plan, folder, self._engines.image_store)
            self._notifications.info(
                f"{tr('The stack is in {folder}.', folder=folder)} {next_steps(folder)}",
                tr("Open the folder"),
                lambda: _open(folder),
            )

        return self._jobs.start(tr("Export a stack"), work)


def _open(folder: Path) -> None:
    with persons_umask():
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
