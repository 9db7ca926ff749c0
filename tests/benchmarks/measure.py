"""Shared by the benchmarks: medians, and how they are printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A quantity that was measured several times."""

    name: str
    values: Sequence[float]
    unit: str

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return (
            f"{self.name:<44} {self.median:10.2f} {self.unit:<3}"
            f" ({low:.2f} to {high:.2f}, {len(self.values)} runs)"
        )


def print_ratio(name: str, more: Figure, less: Figure) -> None:
    """Print how many times `less` goes into `more`, by their medians."""
    print(f"{name:<44} {more.median / less.median:10.1f} times", flush=True)
