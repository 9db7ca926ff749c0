"""The photos that a person labels one after the other: what was passed, what is next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from desktop.learn.labelling.answer import Answer
from serving.predict.prediction import Score

KEPT_AHEAD = 12
"""Photos after the current one that no new queue replaces: their pictures are decoded already."""


@dataclass(frozen=True)
class NextPhoto:
    """A photo to label."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    why: str
    """Why it is next, as a sentence."""
    scores: tuple[Score, ...] = ()
    """What the model answers, best first."""


class QueueWalk:
    """A line of photos with a position in it.

    What is answered is always the photo at the position, at that moment; a new queue never
    changes it, nor what was passed.
    """

    def __init__(self) -> None:
        self._photos: list[NextPhoto] = []
        self._position = 0
        self._answers: dict[str, Answer] = {}
        self._elsewhere: set[str] = set()
        """Photos that were answered on no walk of this kind."""

    @property
    def current(self) -> NextPhoto | None:
        """The photo that is shown; None behind the last one."""
        return self._photos[self._position] if self._position < len(self._photos) else None

    @property
    def answered(self) -> int:
        """How many photos have an answer."""
        return len(self._answers)

    @property
    def left(self) -> int:
        """How many photos from the position on have none."""
        ahead = self._photos[self._position :]
        return sum(item.image not in self._answers for item in ahead)

    def answer_of(self, image: str) -> Answer | None:
        """Return what was said of a photo on this walk."""
        return self._answers.get(image)

    def near(self, before: int, after: int) -> list[NextPhoto]:
        """Return the photos around the position, the next one first and the current one left out.

        Those after it come first: they are shown sooner.
        """
        at = self._position
        return [*self._photos[at + 1 : at + 1 + after], *self._photos[max(0, at - before) : at]]

    def answer(self, answer: Answer) -> NextPhoto | None:
        """Give `answer` to the current photo and go to the next; returns the photo, if any."""
        item = self.current
        if item is not None:
            self._answers[item.image] = answer
            self._position += 1
        return item

    def back(self) -> bool:
        """Go to the photo before; returns whether there is one."""
        if self._position == 0:
            return False
        self._position -= 1
        return True

    def forward(self) -> bool:
        """Go to the next photo without an answer for this one; returns whether there is one."""
        if self._position >= len(self._photos):
            return False
        self._position += 1
        return True

    def take_back(self, image: str, previous: Answer | None = None) -> bool:
        """Go back to a photo whose answer was taken back; returns whether it is in the line."""
        self.correct(image, previous)
        for position, item in enumerate(self._photos):
            if item.image == image:
                self._position = position
                return True
        return False

    def correct(self, image: str, answer: Answer | None) -> None:
        """Note that a photo has another answer, or none, without going to it."""
        self._answers.pop(image, None)
        if answer is not None:
            self._answers[image] = answer

    def remove(self, images: Iterable[str]) -> None:
        """Leave out photos that are still to come: they were answered elsewhere."""
        gone = set(images)
        self._elsewhere |= gone
        ahead = self._photos[self._position :]
        self._photos[self._position :] = [item for item in ahead if item.image not in gone]

    def readmit(self, images: Iterable[str]) -> None:
        """Let photos come again with a new queue: they have lost their answer."""
        self._elsewhere.difference_update(images)

    def insert(self, items: Sequence[NextPhoto]) -> None:
        """Put photos before the current one, and go to the first of them."""
        added = {item.image for item in items}
        passed, ahead = self._photos[: self._position], self._photos[self._position :]
        passed = [item for item in passed if item.image not in added]
        ahead = [item for item in ahead if item.image not in added]
        self._position = len(passed)
        self._photos = [*passed, *items, *ahead]

    def refill(self, queue: Iterable[NextPhoto]) -> None:
        """Take a new queue behind the photos that were passed and the next few.

        Photos that are in the line, or were answered on this walk, are left out: the queue may
        have been made before their answers were known.
        """
        kept = self._photos[: self._position + 1 + KEPT_AHEAD]
        there = {item.image for item in kept} | self._answers.keys() | self._elsewhere
        self._photos = [*kept, *(item for item in queue if item.image not in there)]
