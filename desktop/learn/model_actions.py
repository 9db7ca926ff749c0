"""What a person does to the labels and classes of the model that learns, and takes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from backend.client import BackendClient
from desktop.jobs import Jobs
from desktop.learn.outbox import Outbox
from desktop.notifications import Notifications
from desktop.translation import tr
from serving.progress import Report


class ModelActions:
    """What such actions need: the model, who carries them out, and how a person hears of them."""

    def __init__(
        self,
        backend: BackendClient,
        outbox: Outbox,
        jobs: Jobs,
        notifications: Notifications,
        on_changed: Callable[[], object],
    ) -> None:
        """`on_changed` is to be called after each change of labels, classes or versions."""
        self.backend = backend
        self.outbox = outbox
        self.jobs = jobs
        self.notifications = notifications
        self.on_changed = on_changed
        self.model = ""
        """The model that is shown; empty for none."""

    def say_done(self, sentence: str, title: str, undo: Callable[[], Awaitable[object]]) -> None:
        """Say what was done, beside a button that starts the job `title`, which undoes it."""

        async def work(report: Report) -> None:
            await undo()
            self.on_changed()

        self.notifications.info(sentence, tr("Undo"), lambda: self.jobs.start(title, work))
