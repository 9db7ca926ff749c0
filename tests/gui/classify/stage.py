"""A Classify place with a model that a test writes, and everything else real."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from desktop.classify.history import History
from desktop.classify.page import ClassifyPage
from desktop.classify.place import ClassifyPlace
from desktop.jobs import Job, Jobs
from desktop.notifications import Notice, Notifications
from serving.errors import ServeryError
from serving.predict.prediction import Prediction
from tests.unit.desktop.classify.answers import prediction


@dataclass
class Model:
    """Answers every image alike, when it may."""

    scores: tuple[tuple[str, float], ...] = (("cat", 0.8), ("dog", 0.15), ("ship", 0.05))
    version: int = 1
    error: ServeryError | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def predict(self, jpeg: bytes) -> Prediction:
        self.asked += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return prediction(*self.scores, version=self.version)


@dataclass
class Labels:
    """Takes labels as the outbox does."""

    given: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    error: ServeryError | None = None

    async def label(self, jpeg: bytes, class_name: str) -> int:
        if self.error is not None:
            raise self.error
        number = len(self.given) + 1
        self.given[number] = (jpeg, class_name)
        return number

    async def unlabel(self, number: int) -> None:
        del self.given[number]


class Stage:
    """The page on the screen, joined to a model, labels and a history on disk."""

    def __init__(self, folder: Path) -> None:
        self.page = ClassifyPage(0.5)
        self.page.resize(1000, 640)
        self.jobs = Jobs()
        self.notifications = Notifications()
        self.notices: list[Notice] = []
        self.notifications.posted.connect(self.notices.append)
        self.jobs.failed.connect(self._tell)
        self.model = Model()
        self.model.go.set()
        self.labels = Labels()
        self.history = History(folder / "desktop.sqlite")
        self.place = ClassifyPlace(
            self.page,
            self.model.predict,
            self.history,
            self.jobs,
            self.notifications,
            label=self.labels.label,
            unlabel=self.labels.unlabel,
            pasted=folder / "pasted",
        )

    def state(self, path: Path) -> str:
        photo = self.page.model.photo(str(path))
        return "" if photo is None else photo.state(self.page.model.unsure_below).value

    async def close(self) -> None:
        await self.jobs.close()
        await self.place.close()

    def _tell(self, job: Job[object]) -> None:
        if job.error is not None:
            self.notifications.error(job.error)


async def staged(folder: Path, act: Callable[[Stage], Awaitable[None]]) -> None:
    """Act on a stage over `folder`, and close it as the application does."""
    stage = Stage(folder)
    async with stage.history:
        await stage.place.load()
        stage.page.show()
        try:
            await act(stage)
        finally:
            await stage.close()
            stage.page.close()
