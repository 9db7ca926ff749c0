"""The ways to label on a real (offscreen) screen, over a backend that is plain Python."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from backend.contract import (
    ClassCount,
    Cluster,
    Conflict,
    LabelAction,
    LabelIssue,
    LabelSummary,
    PoolSummary,
    QueueItem,
    QueueReason,
)
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.desk import LabellingDesk
from desktop.learn.labelling.doubts_presenter import DoubtsPresenter
from desktop.learn.labelling.groups_presenter import GroupsPresenter
from desktop.learn.labelling.queue_presenter import QueuePresenter
from desktop.learn.labelling.sender import GivenAnswer, Sender
from desktop.learn.page import LearnPage, LearnView
from serving.errors import ServeryError
from serving.predict.prediction import Score
from tests.gui.conftest import show
from tests.support.sample_summaries import model

CLASSES = ("cat", "dog", "cow")


Scenario = Callable[["LabellingEnv"], Awaitable[None]]
RunLabelling = Callable[["PlainBackend", Scenario], None]


def item(number: int, *classes: str) -> QueueItem:
    """Return a photo of the queue, with scores that fall."""
    names = classes or CLASSES
    scores = [Score(name, 0.6 / 2**rank) for rank, name in enumerate(names)]
    return QueueItem(f"photo {number}", QueueReason.TYPICAL, f"Reason {number}.", scores)


@dataclass
class PlainBackend:
    """Answers what a test sets, and keeps what was said in its order."""

    items: list[QueueItem] = field(default_factory=list)
    groups: list[Cluster] = field(default_factory=list)
    issues: list[LabelIssue] = field(default_factory=list)
    disputed: list[Conflict] = field(default_factory=list)
    photos: PoolSummary = field(default_factory=lambda: PoolSummary(0, 0))
    said: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    full: bool = False
    """The disk takes nothing more."""

    async def queue(self, model: str | None = None, count: int = 200) -> list[QueueItem]:
        return self.items[:count]

    async def clusters(self, model: str | None = None, count: int = 40) -> list[Cluster]:
        return self.groups[:count]

    async def label_issues(self, model: str | None = None) -> list[LabelIssue]:
        return self.issues

    async def conflicts(self, model: str | None = None) -> list[Conflict]:
        return self.disputed

    async def pool(self, model: str | None = None) -> PoolSummary:
        return self.photos

    async def label_actions(self, model: str | None = None, count: int = 50) -> list[LabelAction]:
        return []

    async def undo_action(self, action: int) -> LabelAction:
        raise NotImplementedError

    async def store(self, images: Sequence[str], answer: Answer, model: str) -> int:
        if self.full:
            raise ServeryError("The disk is full.", "Make room.")
        self.said.append((tuple(images), answer.text))
        return len(self.said) - 1

    async def withdraw(self, receipt: int) -> None:
        self.said[receipt] = ((), "taken back")


class LabellingEnv:
    """A LearnPage whose labelling views are connected to a PlainBackend."""

    def __init__(self, backend: PlainBackend) -> None:
        self.backend = backend
        self.errors: list[str] = []
        self.page = LearnPage()
        self.sender: Sender[int] = Sender(backend.store, backend.withdraw, self._on_failed)
        self.desk = LabellingDesk(self.sender, backend, "anna")
        counts = [ClassCount(name, 2, True) for name in CLASSES]
        self.desk.show_model(model("pets", classes=CLASSES), LabelSummary(6, 0, counts))
        self.queue = QueuePresenter(self.page.label_view, self.desk, backend)
        self.groups = GroupsPresenter(self.page.groups_view, self.desk, backend)
        self.doubts = DoubtsPresenter(
            self.page.doubts_view, self.desk, backend, self.page.show_doubt_count
        )
        self.page.undo_action.triggered.connect(self.desk.undo)
        show(self.page, 1000, 700)
        self.page.activateWindow()

    async def open(self, view: LearnView) -> None:
        """Show a view with what the backend has for it."""
        self.page.show_view(view)
        match view:
            case LearnView.LABEL:
                await self.queue.refresh()
            case LearnView.GROUPS:
                await self.groups.refresh()
            case _:
                await self.doubts.refresh()
        self.page.show_view(view)

    def press(
        self,
        *keys: Qt.Key | str,
        hold: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Press keys on whatever has the keyboard focus."""
        for key in keys:
            focused = self.page.window().focusWidget()
            assert focused is not None
            if isinstance(key, str):
                QTest.keyClicks(focused, key, hold)
            else:
                QTest.keyClick(focused, key, hold)

    async def said(self) -> list[tuple[tuple[str, ...], str]]:
        """Return what reached the backend: photos and what is said of them, in its order."""
        await self.sender.settled()
        return self.backend.said

    def _on_failed(self, given: GivenAnswer[int], error: Exception) -> None:
        self.errors.append(str(error))
        self.desk.give_up(given)
