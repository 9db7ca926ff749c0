"""The ways to label follow the model that learns, whatever else changes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest

from backend.client import BackendClient
from backend.contract import (
    Conflict,
    Event,
    IssueKind,
    LabelIssue,
    LabelSummary,
    ModelSummary,
    PoolSummary,
    QueueItem,
)
from desktop.jobs import Jobs
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.desk import LabellingDesk
from desktop.learn.labelling.presenter import LabellingPresenter
from desktop.learn.labelling.sender import Sender
from desktop.learn.page import LearnPage, LearnView
from desktop.notifications import Notifications
from tests.gui.conftest import Run, show
from tests.gui.learn.labelling_env import item
from tests.support.sample_summaries import model
from tests.support.waiting import wait_until


class Backend(BackendClient):
    """Has one photo to label for each model, named after it."""

    def __init__(self) -> None:
        super().__init__("")
        self.before_labels: Callable[[], object] = lambda: None
        self.asked: list[str | None] = []
        self.found = LabelSummary(0, 0, [])
        self.issues: list[LabelIssue] = []

    async def events(self) -> AsyncGenerator[Event, None]:
        await asyncio.Event().wait()
        yield Event("labels")

    async def labels(self, model: str | None = None) -> LabelSummary:
        self.before_labels()
        return self.found

    async def queue(
        self, model: str | None = None, count: int = 20, exclude: Sequence[str] = ()
    ) -> list[QueueItem]:
        self.asked.append(model)
        return [item(1, f"a class of {model}")]

    async def label_issues(self, model: str | None = None, count: int = 200) -> list[LabelIssue]:
        return self.issues

    async def conflicts(self, model: str | None = None) -> list[Conflict]:
        return []

    async def pool(self, model: str | None = None) -> PoolSummary:
        return PoolSummary(1, 1)


def offered(page: LearnPage) -> list[str]:
    return [choice.name for choice in page.label_view.picker.choices]


@pytest.mark.parametrize("visible", [True, False])
def test_the_queue_is_asked_for_although_the_model_is_described_again_meanwhile(
    run: Run, visible: bool
) -> None:
    async def main() -> None:
        page, backend, presenter, jobs = opened(visible)
        described: list[ModelSummary] = []

        def describe_again() -> None:
            described.append(model("pets"))
            presenter.show_model(described[-1])

        backend.before_labels = describe_again
        presenter.show_model(model("pets"))
        await wait_until(lambda: bool(described))
        if not visible:
            assert backend.asked == []  # nobody looks
            page.show()
        await wait_until(lambda: offered(page) == ["a class of pets"])
        await jobs.close()

    run(main)


def test_another_model_with_the_same_number_of_versions_is_asked_for(run: Run) -> None:
    async def main() -> None:
        page, _, presenter, jobs = opened(True)
        presenter.show_model(model("pets"))
        await wait_until(lambda: offered(page) == ["a class of pets"])
        presenter.show_model(model("cars"))
        await wait_until(lambda: offered(page) == ["a class of cars"])
        await jobs.close()

    run(main)


def test_the_number_of_doubtful_labels_stays_on_the_tab_once_it_is_known(run: Run) -> None:
    async def main() -> None:
        page, backend, presenter, jobs = opened(True)
        backend.found = LabelSummary(2, 0, [], conflicts=1)
        kind = IssueKind.CONTRADICTED
        backend.issues = [LabelIssue(each, "can", "box", 0.9, kind) for each in ("a", "b", "c")]
        presenter.show_model(model("pets"))
        await wait_until(lambda: tab(page) == "Doubtful labels (1)")  # on which people disagree
        page.show_view(LearnView.DOUBTS)
        await wait_until(lambda: tab(page) == "Doubtful labels (3)")
        page.show_view(LearnView.LABEL)
        asked = len(backend.asked)
        await wait_until(lambda: len(backend.asked) > asked)
        assert tab(page) == "Doubtful labels (3)"
        await jobs.close()

    run(main)


def tab(page: LearnPage) -> str:
    return page.tabs.tabText(page.tabs.indexOf(page.doubts_view))


def opened(visible: bool) -> tuple[LearnPage, Backend, LabellingPresenter[int], Jobs]:
    async def store(images: Sequence[str], answer: Answer, model: str) -> int:
        return 1

    async def withdraw(receipt: int) -> None:
        pass

    backend, jobs, page = Backend(), Jobs(), LearnPage()
    sender: Sender[int] = Sender(store, withdraw, lambda given, error: None)
    desk = LabellingDesk(sender, backend, "anna")
    if visible:
        show(page, 900, 600)
    return page, backend, LabellingPresenter(page, desk, backend, jobs, Notifications()), jobs
