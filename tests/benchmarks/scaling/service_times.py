"""What one answer takes, as `scaling_measure` found it with one real instance."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

MEASURED = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class ServiceTimes:
    """Processor time of one instance with so many threads, in seconds of a core."""

    threads: int
    caller: float
    """In the program that calls, for each request."""
    front: float
    """In the server, for each request, whatever it asks for."""
    batch: float
    """For each batch, however many photos it has."""
    photos: tuple[float, ...]
    """For a photo in a batch; one value for each photo that was measured."""

    def of_batch(self, size: int, chance: random.Random) -> float:
        """Return what a batch of so many photos, drawn by chance, takes."""
        return self.batch + sum(chance.choices(self.photos, k=size))

    def under_load(self, answer: float, caller: float, batch_size: float) -> ServiceTimes:
        """Return what the same takes while cores are busy, which is longer than alone.

        An answer then takes `answer` in the server, in batches of this size.
        """
        factor = (answer - self.front) / (self.of_answer(batch_size) - self.front)
        photos = tuple(round(factor * each, 6) for each in self.photos)
        return replace(self, caller=caller, batch=self.batch * factor, photos=photos)

    def of_answer(self, batch_size: float) -> float:
        """Return what an answer takes in the server, in batches of this size."""
        return self.front + self.batch / batch_size + statistics.mean(self.photos)


@dataclass(frozen=True)
class Measured:
    """What real instances did in one round, sharing this machine's processor.

    Each round measures one instance too. Since others on the machine make the same work take
    longer at one time than at another, that is what the round is compared with.
    """

    instances: int
    threads: int
    """Of each."""
    callers: int
    left: float
    """Cores that other programs left to these and their callers."""
    server: float
    """What an answer of one instance with so many threads took in the same round, in seconds of a
    core; the next is for its caller."""
    caller: float
    rate: float
    """Answers a second."""
    p50: float
    """Seconds, like the next."""
    p99: float


@dataclass(frozen=True)
class Measurement:
    """All that the simulation takes from `scaling_measure`."""

    cores: int
    service_times: tuple[ServiceTimes, ...]
    """By the number of threads, ascending."""
    start_seconds: tuple[float, ...]
    """What an instance takes until it answers, on a core of its own."""
    measured: tuple[Measured, ...]

    def times(self, threads: int) -> ServiceTimes:
        """Return those of an instance with so many threads."""
        return next(each for each in self.service_times if each.threads == threads)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path = MEASURED) -> Measurement:
        raw = json.loads(path.read_text())
        return cls(
            raw["cores"],
            tuple(
                ServiceTimes(**{**each, "photos": tuple(each["photos"])})
                for each in raw["service_times"]
            ),
            tuple(raw["start_seconds"]),
            tuple(Measured(**each) for each in raw["measured"]),
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the values do not exceed; 0 without any."""
    ranked = sorted(values)
    return ranked[round(percent / 100 * (len(ranked) - 1))] if ranked else 0.0
