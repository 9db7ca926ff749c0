"""What presenters share that go through photos or groups one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

from backend.client import BackendRefused
from backend.contract import PoolSummary
from desktop.learn.labelling.desk import LabellingDesk, R
from desktop.learn.labelling.walk_view import WalkView
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import BackendError

T = TypeVar("T")


class Walk(Protocol):
    """A line of photos or groups with a position in it."""

    @property
    def current(self) -> object | None: ...

    def back(self) -> bool: ...

    def forward(self) -> bool: ...

    def remove(self, images: Iterable[str]) -> None: ...

    def readmit(self, images: Iterable[str]) -> None: ...


W = TypeVar("W", bound=Walk)


class PoolSource(Protocol):
    """The part of BackendClient that says why there is nothing to label."""

    async def pool(self, model: str | None = None) -> PoolSummary: ...


class WalkPresenter(Generic[W, R]):
    """Walks through a line with a WalkView; what is answered in another view is left out of it."""

    _walk: W
    _unknown: str
    """What is the matter while the backend does not answer."""

    def __init__(self, view: WalkView, desk: LabellingDesk[R]) -> None:
        self._walk_view = view
        self._desk = desk
        desk.subscribe(self._on_answers)
        view.back_requested.connect(self.back)
        view.forward_requested.connect(self.forward)

    def back(self) -> None:
        """Show the one before."""
        if self._walk.back():
            self._show()

    def forward(self) -> None:
        """Show the next one without an answer for this one."""
        if self._walk.forward():
            self._show()

    def show_unavailable(self, error: BackendError) -> None:
        """Say why there is nothing new to label, unless there still is something of before."""
        if self._walk.current is None:
            self._walk_view.show_empty(self._unknown, translated(str(error)))

    async def _fetch(self, request: Awaitable[T]) -> T | None:
        """Return what the backend answers; None if nothing can be labelled, which is shown, or if
        another model learns by now. Raises BackendError."""
        model = self._desk.model
        try:
            found = await request
        except BackendRefused as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            if self._walk.current is None:  # it says what is missing
                self._walk_view.show_empty(
                    translated(error.what), translated(error.advice), tr("Go to Classify")
                )
            return None
        return found if model == self._desk.model else None

    def _show(self) -> None:
        """Show where the walk is."""
        raise NotImplementedError

    def _on_answers(self, images: Sequence[str], answered: bool) -> None:
        if not answered:
            self._walk.readmit(images)
            return
        shown = self._walk.current
        self._walk.remove(images)
        if self._walk.current is not shown:
            self._show()
