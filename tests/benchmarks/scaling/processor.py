"""A processor whose cores are shared by all that want to compute."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import simpy

_NOTHING_LEFT = 1e-12
"""Seconds of a core, less than which is rounding."""


@dataclass(eq=False, slots=True)
class _Task:
    left: float
    """Seconds of a core."""
    threads: int
    group: Hashable
    done: Callable[[], None]
    rate: float = 0.0
    """Cores."""


class Processor:
    """Shares `cores` as Linux does: equally among groups, and in a group among threads.

    A group is a program in a session of its own, as every instance is. No thread gets more than
    one core, and what one group does not need goes to the others.
    """

    def __init__(self, environment: simpy.Environment, cores: float) -> None:
        self._environment = environment
        self._cores = cores
        self._tasks: list[_Task] = []
        self._counted_until = 0.0
        self._changes = 0
        self.used = 0.0
        """Seconds of cores so far."""

    def run(self, work: float, threads: int, group: Hashable, done: Callable[[], None]) -> None:
        """Call `done` once `work`, in seconds of a core, is done by so many threads."""
        self._advance()
        self._tasks.append(_Task(work, threads, group, done))
        self._share()

    def drop(self, group: Hashable) -> None:
        """Forget what a group had to do: it has ended."""
        self._advance()
        self._tasks = [task for task in self._tasks if task.group != group]
        self._share()

    def _advance(self) -> None:
        seconds = self._environment.now - self._counted_until
        if seconds <= 0:
            return
        self._counted_until = self._environment.now
        for task in self._tasks:
            task.left -= task.rate * seconds
            self.used += task.rate * seconds

    def _share(self) -> None:
        """Set the rate of each task, and wait for the first one to end."""
        self._changes += 1
        if not self._tasks:
            return
        threads: dict[Hashable, int] = {}
        for task in self._tasks:
            threads[task.group] = threads.get(task.group, 0) + task.threads
        if len(threads) > 1:
            rates = _fair(threads, self._cores)
        else:
            rates = {group: min(self._cores, count) for group, count in threads.items()}
        for task in self._tasks:
            task.rate = rates[task.group] * task.threads / threads[task.group]
        first = min(task.left / task.rate for task in self._tasks)
        change = self._changes

        def on_end(_: simpy.Event) -> None:
            if change == self._changes:  # nothing came or went meanwhile
                self._end()

        timeout = self._environment.timeout(max(0.0, first))
        timeout.callbacks.append(on_end)

    def _end(self) -> None:
        self._advance()
        # By time, since what is left is rounded: later than now, the clock may not move any more.
        ended = [task for task in self._tasks if task.left <= _NOTHING_LEFT + task.rate * 1e-9]
        self._tasks = [task for task in self._tasks if task not in ended]
        self._share()
        for task in ended:
            task.done()


def _fair(demands: dict[Hashable, int], cores: float) -> dict[Hashable, float]:
    """Share cores so that each group gets what it can use, or as much as any other."""
    rates = {}
    left, groups = cores, len(demands)
    for group, demand in sorted(demands.items(), key=lambda item: item[1]):
        rates[group] = min(float(demand), left / groups)
        left -= rates[group]
        groups -= 1
    return rates


class EventLoop:
    """One thread that does one thing after the other, first come, first served."""

    def __init__(self, processor: Processor, group: Hashable) -> None:
        self._processor, self._group = processor, group
        self._waiting: list[tuple[float, Callable[[], None]]] = []
        self._busy = False

    def run(self, work: float, done: Callable[[], None]) -> None:
        """Call `done` once `work`, in seconds of a core, is done."""
        if work <= 0:
            done()
            return
        self._waiting.append((work, done))
        self._next()

    def clear(self) -> None:
        """Forget everything: its program has ended."""
        self._waiting.clear()
        self._busy = False

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        work, done = self._waiting.pop(0)

        def on_done() -> None:
            self._busy = False
            done()
            self._next()

        self._processor.run(work, 1, self._group, on_done)
