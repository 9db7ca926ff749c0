"""The classes that a label may name: a model's, and those that people made up for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from serving.class_names import checked_class_name
from serving.models.card import ModelCard

MAX_MATCHES = 50
"""More than anybody reads; a longer text finds the rest."""


@dataclass(frozen=True)
class ClassMatch:
    """A class that a text may mean."""

    name: str
    other: str = ""
    """The other name in which the text was found; empty if it is in the name itself."""
    is_new: bool = False
    """There is no such class yet."""


class KnownClasses:
    """Finds classes by what a person types: their names, parts of them, other names."""

    def __init__(self, card: ModelCard | None = None, new_classes: Iterable[str] = ()) -> None:
        """`new_classes` are classes that the version of `card` has not learned yet."""
        own = card.classes if card is not None else ()
        known = {name.casefold() for name in own}
        extra = {name.casefold(): name for name in new_classes if name.casefold() not in known}
        self._card = card
        self._new_classes = extra
        self.names: tuple[str, ...] = (*own, *extra.values())
        self._spellings = {name.casefold(): name for name in self.names}
        others = card.other_names if card is not None else {}
        # Folded once: a thousand classes are searched at every key.
        self._searched = [
            (name, name.casefold(), [(other, other.casefold()) for other in others.get(name, ())])
            for name in sorted(self.names, key=str.casefold)
        ]

    def with_class(self, name: str) -> KnownClasses:
        """Return these classes and one that a person has just made up."""
        return KnownClasses(self._card, (*self._new_classes.values(), name))

    def spelled(self, name: str) -> str:
        """Return a name as the class of this name is spelled; as it is if there is none.

        By another name of a class nobody means that class for certain: a "T-shirt" may be no
        jersey.
        """
        return self._spellings.get(name.casefold(), name)

    def named(self, text: str) -> str | None:
        """Return the class that `text` probably means; None if it is the name of none."""
        found = self._card.class_named(text) if self._card is not None else None
        return found or self._new_classes.get(text.casefold())

    def find(self, text: str) -> list[ClassMatch]:
        """Return the classes in whose names `text` is, the likeliest first.

        What begins with the text comes before what has a word that does, that before what has
        a word that ends with it, and that before the rest; other names come after the classes'
        own.
        """
        part = " ".join(text.split()).casefold()
        if not part:
            return []
        return [match for _, match in self._ranked(part)[:MAX_MATCHES]]

    def _ranked(self, part: str) -> list[tuple[int, ClassMatch]]:
        """Return what `find` does for a folded text, each with how badly it fits."""
        meant = self.named(part)
        ranked: list[tuple[int, int, ClassMatch]] = []
        for order, (name, folded, others) in enumerate(self._searched):
            best = (_rank(part, folded), ClassMatch(name))
            for other, other_folded in others:
                rank = _rank(part, other_folded)
                if rank is not None and best[0] is None:
                    best = (rank + 1, ClassMatch(name, other))
            if best[0] is not None:
                ranked.append((-1 if name == meant else best[0], order, best[1]))
        ranked.sort(key=lambda each: each[:2])
        return [(rank, match) for rank, _, match in ranked]

    def offers(self, text: str, limit: int = MAX_MATCHES) -> list[ClassMatch]:
        """Return what a label that is typed so may be, best first; at least one.

        The first is what Enter takes, wherever a class is typed. Last comes the new class of
        that name: a part of a name makes none unless that is chosen. But it comes first if
        no word begins or ends with the text: who types "Tom" means no "automated teller". There
        is none by the name of a class that exists; by another name of one there is. Raises
        ClassNameError if `text` can be the name of no class.
        """
        name = checked_class_name(text)
        ranked = self._ranked(name.casefold())
        found = [match for _, match in ranked[:MAX_MATCHES]]
        if any(match.name.casefold() == name.casefold() for match in found):
            return found[:limit]
        new = ClassMatch(name, is_new=True)
        if ranked and ranked[0][0] >= _INSIDE_A_WORD:
            return [new, *found[: limit - 1]]
        return [*found[: limit - 1], new]


_INSIDE_A_WORD = 6


def _rank(part: str, name: str) -> int | None:
    """Return how badly a name fits a text: 0 is best; None if the text is not in it."""
    if part not in name:
        return None
    if name.startswith(part):
        return 0
    text = re.escape(part)
    if re.search(rf"\b{text}", name):
        return 2
    return 4 if re.search(rf"{text}\b", name) else _INSIDE_A_WORD
