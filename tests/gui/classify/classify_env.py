"""A Classify page with a model that a test controls, and everything else real."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from desktop.classify.gallery import Gallery
from desktop.classify.history import History
from desktop.classify.page import ClassifyPage
from desktop.classify.presenter import ClassifyPresenter
from desktop.jobs import Job, Jobs
from desktop.notifications import Notice, Notifications
from serving.errors import FleetUnavailable, ServeryError
from serving.predict.prediction import Prediction
from tests.support.predictions import MODEL, prediction

NOBODY = FleetUnavailable("No instance is ready.", "Start one in Fleet.")


@dataclass
class FakeModel:
    """Answers every image alike, when it may: as it was set when the request came."""

    scores: tuple[tuple[str, float], ...] = (("cat", 0.8), ("dog", 0.15), ("ship", 0.05))
    version: int = 1
    name: str = MODEL
    error: ServeryError | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)
    request_count: int = 0
    embed: Callable[[bytes], bytes] = lambda jpeg: b"1234"

    async def predict(self, jpeg: bytes) -> Prediction:
        self.request_count += 1
        answer = prediction(*self.scores, version=self.version, model=self.name)
        answer = replace(answer, embedding=self.embed(jpeg))
        await self.released.wait()
        if self.error is not None:
            raise self.error
        return answer


@dataclass
class FakeLabels:
    """Takes labels as the outbox does."""

    accepted: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    """The model that each was given for."""
    error: ServeryError | None = None

    async def label(self, jpeg: bytes, class_name: str | None, model: str, batch: str) -> int:
        if self.error is not None:
            raise self.error
        self.models.append(model)
        number = len(self.accepted) + 1
        self.accepted[number] = (jpeg, class_name or "none of these")
        return number

    async def unlabel(self, number: int) -> None:
        del self.accepted[number]


class ClassifyEnv:
    """The page on the screen, joined to a model, labels and a history on disk."""

    def __init__(self, folder: Path) -> None:
        self.gallery = Gallery(0.5)
        self.page = ClassifyPage(self.gallery)
        self.page.resize(1000, 640)
        self.jobs = Jobs()
        self.notifications = Notifications()
        self.notices: list[Notice] = []
        self.notifications.posted.connect(self.notices.append)
        self.jobs.failed.connect(self._show_error)
        self.model = FakeModel()
        self.model.released.set()
        self.labels = FakeLabels()
        self.answers: dict[Path, Prediction] = {}
        self.on_answer: Callable[[Path, Prediction], object] = lambda path, prediction: None
        self.history = History(folder / "desktop.sqlite")
        self.presenter = ClassifyPresenter(
            self.page,
            self.gallery,
            self.model.predict,
            self.history,
            self.jobs,
            self.notifications,
            label=self.labels.label,
            unlabel=self.labels.unlabel,
            pasted_folder=folder / "pasted",
            moves_folder=folder / "moves",
            on_answer=self._on_answer,
        )

    def state(self, path: Path) -> str:
        photo = self.gallery.photo(str(path))
        return "" if photo is None else self.gallery.state(photo).value

    def _on_answer(self, path: Path, prediction: Prediction) -> None:
        self.answers[path] = prediction
        self.on_answer(path, prediction)

    async def close(self) -> None:
        await self.jobs.close()
        await self.presenter.close()

    def _show_error(self, job: Job[object]) -> None:
        if job.error is not None:
            self.notifications.error(job.error)


async def with_classify_env(
    folder: Path, scenario: Callable[[ClassifyEnv], Awaitable[None]], *, answers: bool = True
) -> None:
    """Run `scenario` on a page over `folder`, and close it as the application does.

    Without `answers`, the model keeps all photos waiting until it is released.
    """
    env = ClassifyEnv(folder)
    if not answers:
        env.model.released.clear()
    async with env.history:
        await env.presenter.load()
        env.page.show()
        try:
            await scenario(env)
        finally:
            await env.close()
            env.page.close()
