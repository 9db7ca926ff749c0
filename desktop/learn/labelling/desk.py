"""What all ways to label share: the model, its classes, the answers given and their undoing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from backend.contract import LabelAction, LabelKind, LabelSummary, ModelSummary
from desktop.known_classes import KnownClasses
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.sender import GivenAnswer, Sender
from serving.models.card import ModelCard

R = TypeVar("R")

GoBack = Callable[[], object]
"""Shows again what an answer was about."""
Listener = Callable[[Sequence[str], bool], object]
"""Gets the SHA-256 of photos, and whether they have an answer now."""
UNDO_DEPTH = 50
"""Actions of earlier windows among which the last one is looked for."""


class Actions(Protocol):
    """The part of BackendClient that undoing needs."""

    async def label_actions(
        self, model: str | None = None, count: int = UNDO_DEPTH
    ) -> list[LabelAction]: ...

    async def undo_action(self, action: int) -> LabelAction: ...


@dataclass(eq=False)
class Done(Generic[R]):
    """An answer of this window, and how the view in which it was given goes back to it."""

    given: tuple[GivenAnswer[R], ...]
    go_back: GoBack


class LabellingDesk(Generic[R]):
    """Takes answers for the model that learns; knows no Qt.

    Answers of this window are undone here, last first; after those the last actions that this
    person has in the backend, whenever that was.
    """

    def __init__(
        self,
        sender: Sender[R],
        actions: Actions,
        person: str,
        card: Callable[[str], ModelCard | None] = lambda model: None,
    ) -> None:
        """`person` is the name under which the backend has this person's labels; `card` returns
        the model card of a model that is served, for other names of its classes."""
        self.sender = sender
        self._actions = actions
        self._person = person
        self._card = card
        self._done: list[Done[R]] = []
        self._listeners: list[Listener] = []
        self._used: list[str] = []
        self.model = ""
        """The model that learns; empty while none is known."""
        self.known = KnownClasses()

    @property
    def taught(self) -> Sequence[str]:
        """The classes that people gave: those with the most labels first, then newly made ones.

        Their order stays, so that each keeps its key.
        """
        return self._used

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with photos that got an answer, or lost the one that they got here."""
        self._listeners.append(listener)

    def show_model(self, model: ModelSummary | None, labels: LabelSummary | None) -> None:
        """Follow the model that learns and the labels that it has."""
        name = model.name if model is not None else ""
        if name != self.model:
            self.model = name
            self._used.clear()
            self._done.clear()
        counted = [each.name for each in labels.classes if each.labels] if labels else []
        if model is not None and labels is not None:
            # What nobody calls a class any more, because it was renamed, leaves its key to others.
            own = {given.answer.class_name for each in self._done for given in each.given}
            self._used = [each for each in self._used if each in counted or each in own]
        self._used += [each for each in counted if each not in self._used]
        self._find_classes(model)

    def give(self, answers: Sequence[tuple[Sequence[str], Answer]], go_back: GoBack) -> None:
        """Take answers that a person gave at once; they are safe soon after.

        Each is about photos, given by their SHA-256. `undo` takes all of them back and calls
        `go_back`.
        """
        given = [self.sender.give(images, answer, self.model) for images, answer in answers]
        self._done.append(Done(tuple(given), go_back))
        self._notify(given, answered=True)
        for _, answer in answers:
            name = answer.class_name
            if answer.kind is LabelKind.CLASS and name not in self._used:
                self._used.append(name)
                self.known = self.known.with_class(name)

    def undo(self) -> bool:
        """Take the last answer of this window back; returns whether there was one."""
        if self._done:
            done = self._done.pop()
            for given in done.given:
                self.sender.take_back(given)
            self._notify(done.given, answered=False)
            done.go_back()
            return True
        return False

    async def undo_earlier(self) -> LabelAction | None:
        """Take back the last action that this person has in the backend; None without one.

        Raises BackendError.
        """
        await self.sender.settled()
        for action in await self._actions.label_actions(self.model or None, UNDO_DEPTH):
            if not action.undone and action.by in ("", self._person):
                return await self._actions.undo_action(action.id)
        return None

    def answered_elsewhere(self, images: Sequence[str], model: str, answered: bool) -> None:
        """Note that photos got an answer on another page, or lost the one that they got there.

        `model` learns it; empty for the current one, which need not be the one of this page.
        """
        if model == self.model:
            for listener in self._listeners:
                listener(images, answered)

    def give_up(self, given: GivenAnswer[R]) -> None:
        """Go back to what could not be stored."""
        for done in reversed(self._done):
            if given in done.given:
                self._done.remove(done)
                self._notify(done.given, answered=False)
                done.go_back()
                return

    def _notify(self, given: Iterable[GivenAnswer[R]], *, answered: bool) -> None:
        images = [image for each in given for image in each.images]
        for listener in self._listeners:
            listener(images, answered)

    def _find_classes(self, model: ModelSummary | None) -> None:
        card = self._card(self.model) if self.model else None
        if card is None and model is not None:
            live = next((each for each in model.versions if each.live), None)
            card = ModelCard(model.name, tuple(live.classes)) if live is not None else None
        known = KnownClasses(card, self._used)
        if known.names != self.known.names:
            self.known = known
