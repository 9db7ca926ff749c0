"""What people do to classes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ClassChangeKind(StrEnum):
    RENAMED = "renamed"
    MERGED = "merged"
    """Its photos show another class, which there was already."""
    DELETED = "deleted"
    """Its photos have no label any more."""


@dataclass(frozen=True)
class NewClassName:
    """What a class is to be called; the name of another one merges it into that."""

    name: str


@dataclass(frozen=True)
class ClassChange:
    """A class that a person renamed, merged into another or deleted, at once and live."""

    id: int
    model: str
    created: str
    by: str
    kind: ClassChangeKind
    name: str
    new_name: str = ""
    """Empty if it was deleted."""
    version: int | None = None
    """The version that was made for it; None if only labels named the class."""
    undone: bool = False

    @property
    def sentence(self) -> str:
        """All of that for people to read."""
        done = {
            ClassChangeKind.RENAMED: f"was renamed to “{self.new_name}”",
            ClassChangeKind.MERGED: f"was merged into “{self.new_name}”",
            ClassChangeKind.DELETED: "was deleted",
        }[self.kind]
        undone = ", which was undone" if self.undone else ""
        return f"The class “{self.name}” {done}{undone}."
