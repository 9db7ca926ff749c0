"""What a run of the chaos runner found."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_MB = 1_000_000


@dataclass
class Report:
    """Counts, and violations of what is promised; a run without any has passed."""

    seed: int
    events_file: Path
    """Gets a line for each thing that happened, at once."""
    started: float = field(default_factory=time.monotonic)
    faults: Counter[str] = field(default_factory=Counter)
    photos: Counter[str] = field(default_factory=Counter)
    """Answers, and errors by their sentence."""
    labels_acknowledged: int = 0
    label_attempts: int = 0
    training_runs: Counter[str] = field(default_factory=Counter)
    live_changes: Counter[str] = field(default_factory=Counter)
    """Changes of the live version, by who made them."""
    violations: list[str] = field(default_factory=list)
    memory: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """When and how many bytes all processes of a kind took, divided by how many there were."""

    def note(self, event: str) -> None:
        """Remember what happened, with the time since the start."""
        with self.events_file.open("a") as events:
            events.write(f"{self.elapsed:8.1f} s  {event}\n")

    def violate(self, promise: str) -> None:
        """Record that something promised was not kept."""
        self.violations.append(promise)
        self.note(f"VIOLATION: {promise}")

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def memory_of(self, kind: str, quarter: int) -> float:
        """Return the median of a kind's bytes in a quarter of the run, the first being 0."""
        samples = self.memory.get(kind, [])
        length = self.elapsed / 4
        inside = [size for when, size in samples if int(when / length) == quarter]
        return statistics.median(inside) if inside else 0.0

    def __str__(self) -> str:
        errors = self.photos.total() - self.photos["answered"]
        rows = [
            ("seed", f"{self.seed}"),
            ("minutes", f"{self.elapsed / 60:.1f}"),
            ("faults", _counts(self.faults)),
            ("photos", f"{self.photos['answered']:,} answered, {errors:,} with an error"),
            *((f"  {count:,} times", text) for text, count in self._errors()),
            ("labels", f"{self.labels_acknowledged:,} acknowledged, {self.label_attempts:,} sent"),
            ("training runs", _counts(self.training_runs)),
            ("live version changed", _counts(self.live_changes)),
            *(
                (
                    f"memory, {kind}",
                    " ".join(f"{self.memory_of(kind, q) / _MB:.0f}" for q in range(4)),
                )
                for kind in sorted(self.memory)
            ),
            ("violations", str(len(self.violations))),
            *(("", violation) for violation in self.violations),
        ]
        return "\n".join(f"{name:<24} {value}" for name, value in rows)

    def _quarters(self, kind: str) -> str:
        return " ".join(f"{self.memory_of(kind, quarter) / _MB:.0f}" for quarter in range(4))

    def _errors(self) -> Sequence[tuple[str, int]]:
        errors = [(text, count) for text, count in self.photos.items() if text != "answered"]
        return sorted(errors, key=lambda pair: -pair[1])


def _counts(counter: Counter[str]) -> str:
    each = ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items()))
    return f"{counter.total():,}" + (f" ({each})" if each else "")
