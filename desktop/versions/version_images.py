"""Makes container images of versions, and says what became of them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from backend.client import BackendClient
from backend.contract import ImageBuildState, ImageSettings, NewImage
from desktop.jobs import Job, Jobs
from desktop.model_images import ImageNotMade, failure, outcome, wait_for_image
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions.image_dialog import ImageDialog
from desktop.versions.view import VersionsView
from serving.clock import utc_now
from serving.errors import ServeryError
from serving.private import persons_umask
from serving.progress import Report


class VersionImages:
    """Asks how an image is to be made if a row of `view` asks for one, and has it made."""

    def __init__(
        self,
        view: VersionsView,
        backend: BackendClient,
        jobs: Jobs,
        notifications: Notifications,
    ) -> None:
        self._view, self._backend = view, backend
        self._jobs, self._notifications = jobs, notifications
        view.image_requested.connect(self.ask)

    def ask(self, number: int) -> Job[None]:
        """Look at what the engine has, and open the dialog."""
        model = self._view.model

        async def work(report: Report) -> None:
            settings = await self._backend.image_settings(model)
            bases = await self._backend.image_bases()
            dialog = ImageDialog(model, number, settings, bases, self._view)
            dialog.image_requested.connect(
                lambda new, changed: self.make(model, number, new, changed)
            )
            dialog.finished.connect(dialog.deleteLater)
            dialog.open()

        return self._jobs.start(tr("Look at the container engine"), work)

    def make(
        self, model: str, number: int, new: NewImage, settings: ImageSettings | None
    ) -> Job[None]:
        """Make the image of a version, after `settings` of the model were changed."""

        async def work(report: Report) -> None:
            if settings is not None:
                await self._backend.set_image_settings(model, settings)
            build = await self._backend.make_image(model, number, new)
            try:
                build = await wait_for_image(self._backend, build, report)
            except ImageNotMade as error:
                tell_failure(self._notifications, error, build.log)
                return
            self._notifications.info(
                " ".join(outcome(build)),
                tr("Show the log"),
                lambda: open_log(self._notifications, build.log),
            )

        return self._jobs.start(
            tr("Make an image of version {number} of {model}", number=number, model=model), work
        )


class ImageFailures:
    """Says once if the image of a version that was promoted could not be made."""

    def __init__(self, backend: BackendClient, notifications: Notifications) -> None:
        self._backend, self._notifications = backend, notifications
        self._since = utc_now()
        self._notified: set[str] = set()

    async def look(self) -> None:
        """Look for builds that failed since this was made; raises BackendError."""
        for build in await self._backend.image_builds():
            is_news = build.finished >= self._since and build.id not in self._notified
            if build.after_promotion and build.state is ImageBuildState.FAILED and is_news:
                self._notified.add(build.id)
                tell_failure(self._notifications, failure(build), build.log)


def tell_failure(notifications: Notifications, error: ImageNotMade, log: str) -> None:
    """Show why there is no image, with a button that opens the log."""
    notifications.problem(
        translated(error.what),
        translated(error.advice),
        tr("Show the log"),
        lambda: open_log(notifications, log),
    )


def open_log(notifications: Notifications, log: str) -> None:
    """Open a log with the program that the person has for text files."""
    is_here = Path(log).is_file()
    with persons_umask():
        if is_here and QDesktopServices.openUrl(QUrl.fromLocalFile(log)):
            return
    notifications.error(
        ServeryError(
            tr("The log {log} cannot be opened.", log=log),
            tr("Print it with `servery models images --log`, with the number in its name.")
            if is_here
            else tr("It is on the machine of the backend, or was removed."),
        )
    )
