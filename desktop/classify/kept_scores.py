"""The scores of a photo in little memory: there may be 100,000 photos."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

from serving.predict.prediction import Score


class KeptScores(Sequence[Score]):
    """Ranked classes as a tuple of Score is, and equal to one; takes a quarter of its memory."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: Iterable[str], values: Iterable[float]) -> None:
        """`names` are the classes, best first; `values` are 0 to 1."""
        # Each name once, however many photos have it.
        self._names = tuple(map(sys.intern, names))
        self._values = array("d", values)

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> Score: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Score, ...]: ...
    def __getitem__(self, index: int | slice) -> Score | tuple[Score, ...]:
        if isinstance(index, slice):
            return tuple(map(Score, self._names[index], self._values[index]))
        return Score(self._names[index], self._values[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (tuple, KeptScores)) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))
