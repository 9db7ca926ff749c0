"""Looking again at labels that may be wrong, and at people who disagree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from backend.contract import Conflict, LabelIssue
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.desk import LabellingDesk, R
from desktop.learn.labelling.doubts import Doubt, doubts
from desktop.learn.labelling.doubts_view import DoubtsView
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import BackendError


class DoubtSource(Protocol):
    """The part of BackendClient that this needs."""

    async def label_issues(self, model: str | None = None) -> list[LabelIssue]: ...

    async def conflicts(self, model: str | None = None) -> list[Conflict]: ...


class DoubtsPresenter:
    """Shows doubtful labels in a DoubtsView and sends what is said about them."""

    def __init__(
        self,
        view: DoubtsView,
        desk: LabellingDesk[R],
        source: DoubtSource,
        on_count: Callable[[int], object],
    ) -> None:
        """`on_count` gets how many doubts there are whenever that changes."""
        self._view = view
        self._desk = desk
        self._source = source
        self._on_count = on_count
        self._doubts: list[Doubt] = []
        self._settled: set[tuple[str, str]] = set()
        """Those answered here, which the backend may not know yet."""
        self._current = 0
        self.is_known = False
        """Whether the backend has said which labels are doubtful."""
        view.answered.connect(self.answer)
        view.kept.connect(self.keep)
        view.selected.connect(self.select)
        self.start_again()

    def start_again(self) -> None:
        """Forget the doubts: another model learns."""
        self._doubts, self._current, self.is_known = [], 0, False
        self._settled.clear()
        self._view.show_empty(tr("Looking for labels that may be wrong"), "")

    async def refresh(self) -> None:
        """Ask for the doubts; the one on the screen stays if it is still one. Raises
        BackendError."""
        model = self._desk.model
        found = doubts(await self._source.label_issues(model), await self._source.conflicts(model))
        if model != self._desk.model:
            return
        self.is_known = True
        shown = self._view.doubt
        # What is no doubt any more has arrived; should it become one again, it is shown again.
        self._settled &= {each.key for each in found}
        self._doubts = [each for each in found if each.key not in self._settled]
        keys = [each.key for each in self._doubts]
        if shown is not None and shown.key in keys:
            self._current = keys.index(shown.key)
        self._show()

    def show_unavailable(self, error: BackendError) -> None:
        """Say why doubts are not known, unless there still are some of before."""
        if not self._doubts:
            self._view.show_empty(
                tr("Which labels are doubtful is not known yet"), translated(str(error))
            )

    def select(self, number: int) -> None:
        """Show another doubt of the list."""
        if number != self._current and number < len(self._doubts):
            self._current = number
            self._show()

    def answer(self, answer: Answer) -> None:
        """Give both photos of the doubt on the screen `answer`, or its one photo."""
        if (doubt := self._view.doubt) is not None:
            self._desk.give([doubt.mended(answer)], self._settle(doubt))
            self._show()

    def keep(self) -> None:
        """Say that what the doubt on the screen is about is right as it is."""
        if (doubt := self._view.doubt) is not None:
            self._desk.give(doubt.kept(), self._settle(doubt))
            self._show()

    def _settle(self, doubt: Doubt) -> Callable[[], object]:
        """Take a doubt off the list; returns what puts it back."""
        number = self._doubts.index(doubt)
        self._doubts.remove(doubt)
        self._settled.add(doubt.key)

        def go_back() -> None:
            self._settled.discard(doubt.key)
            if all(each.key != doubt.key for each in self._doubts):
                self._doubts.insert(min(number, len(self._doubts)), doubt)
            self._current = next(
                (at for at, each in enumerate(self._doubts) if each.key == doubt.key), 0
            )
            self._show()

        return go_back

    def _show(self) -> None:
        self._on_count(len(self._doubts))
        if not self._doubts:
            self._view.show_empty(
                tr("No label is in doubt"),
                tr(
                    "Photos whose label the others contradict, photos that are"
                    " nearly the same with different labels, and labels on which"
                    " people disagree are listed here."
                ),
            )
            return
        self._current = min(self._current, len(self._doubts) - 1)
        self._view.picker.set_known(self._desk.known)
        self._view.show_doubts(tuple(self._doubts), self._current)
