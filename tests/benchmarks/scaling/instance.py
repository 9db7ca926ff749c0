"""An instance as the simulation sees it: an event loop, a queue, and batches in two slots."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from serving.model_server.batching import BatchLimits
from tests.benchmarks.scaling.processor import EventLoop, Processor
from tests.benchmarks.scaling.service_times import ServiceTimes

LIMITS = BatchLimits()
BATCH_SIZE = 8
"""Of the model server's scheduler on two cores."""


@dataclass(eq=False)
class Call:
    """A request that was sent to an instance."""

    answered: Callable[[], None]
    lost: Callable[[bool], None]
    """Called with whether it had been taken."""
    ended: bool = False


@dataclass
class BatchSizes:
    """How large the batches of all instances were."""

    batches: int = 0
    photos: int = 0

    @property
    def mean(self) -> float:
        return self.photos / self.batches if self.batches else 1.0


@dataclass(eq=False)
class SimulatedInstance:
    """Answers calls; see `serving.model_server.batching` for how."""

    name: str
    processor: Processor
    times: ServiceTimes
    chance: random.Random
    sizes: BatchSizes = field(default_factory=BatchSizes)

    def __post_init__(self) -> None:
        self._front = EventLoop(self.processor, self)
        self._queue: deque[Call] = deque()
        self._calls: dict[int, Call] = {}
        self._running = 0
        self.alive = True

    def call(self, call: Call) -> None:
        """Answer one photo, or say that the call is lost."""
        if not self.alive or len(self._queue) >= LIMITS.max_queued_rows:
            call.lost(False)
            return
        self._calls[id(call)] = call
        self._front.run(self.times.front / 2, partial(self._enqueue, call))

    def kill(self) -> None:
        """End at once: whoever waits for an answer sees the connection close."""
        self.alive = False
        self.processor.drop(self)
        self._front.clear()
        calls = list(self._calls.values())
        self._calls.clear()
        self._queue.clear()
        for call in calls:
            call.ended = True
            call.lost(True)

    def _enqueue(self, call: Call) -> None:
        self._queue.append(call)
        self._start_batches()

    def _start_batches(self) -> None:
        while self._queue and self._running < LIMITS.slots:
            size = min(len(self._queue), BATCH_SIZE)
            batch = [self._queue.popleft() for _ in range(size)]
            self._running += 1
            self.sizes.batches += 1
            self.sizes.photos += size
            work = self.times.of_batch(size, self.chance)
            self.processor.run(work, self.times.threads, self, partial(self._computed, batch))

    def _computed(self, batch: list[Call]) -> None:
        self._running -= 1
        self._start_batches()
        for call in batch:
            self._front.run(self.times.front / 2, partial(self._answer, call))

    def _answer(self, call: Call) -> None:
        if self._calls.pop(id(call), None) is not None:
            call.answered()
