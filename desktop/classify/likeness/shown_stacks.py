"""Of which photos of a stack a row is shown, and in which order; no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, Protocol, TypeVar

from desktop.classify.likeness.stacks import Stacks

SortKey = tuple[Any, ...]


class StackMember(Protocol):
    """A photo of the gallery that may be in a stack."""

    stack: int
    """The number of its stack; 0 if it is in none."""


M = TypeVar("M", bound=StackMember)


@dataclass(frozen=True)
class ShownStack:
    """The stack that a shown photo is in."""

    photos: int
    """Of those that pass the query."""
    is_open: bool
    is_cover: bool
    """Whether the photo is the first one."""


class ShownStacks(Generic[M]):
    """Knows the photos of each stack, and how many of them are below another one."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks
        self._members: dict[int, list[M]] = {}
        self._hidden: dict[int, int] = {}
        """Photos that pass the query without being shown, by stack."""

    def __bool__(self) -> bool:
        return self.stacks.enabled and bool(self._members)

    @property
    def hidden_count(self) -> int:
        return sum(self._hidden.values())

    def members(self, stack: int) -> list[M]:
        return self._members.get(stack, [])

    def join(self, member: M, key: str) -> None:
        """Note the stack of a photo, given by its key."""
        member.stack = self.stacks.of(key)
        if member.stack:
            self._members.setdefault(member.stack, []).append(member)

    def leave(self, member: M) -> None:
        """Forget that a photo is in its stack; its number stays for the caller to look at."""
        if member.stack:
            members = self._members[member.stack]
            members.remove(member)
            if not members:
                del self._members[member.stack]

    def forget_hidden(self, stack: int) -> None:
        self._hidden.pop(stack, None)

    def forget_all_hidden(self) -> None:
        self._hidden.clear()

    def place(self, members: Sequence[M], keys: Sequence[SortKey]) -> tuple[list[M], list[SortKey]]:
        """Return those of sorted photos that are shown, with sort keys that keep stacks together.

        Of a closed stack that is its first photo; the others of an open one follow that.
        """
        shown: list[M] = []
        order: list[SortKey] = []
        covers: dict[int, SortKey] = {}
        moved = False
        for member, key in zip(members, keys, strict=True):
            stack = member.stack
            if stack:
                cover = covers.setdefault(stack, key)
                if cover is not key:
                    if self.stacks.is_closed(stack):
                        self._hidden[stack] = self._hidden.get(stack, 0) + 1
                        continue
                    key, moved = (*cover, *key), True
            shown.append(member)
            order.append(key)
        if moved:
            ranked = sorted(zip(order, shown, strict=True), key=itemgetter(0))
            return [member for _, member in ranked], [key for key, _ in ranked]
        return shown, order
