"""How much memory a program and its children take, sampled while a block runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

_POLL_SECONDS = 0.05


def tree_memory(pid: int) -> int:
    """Return the resident bytes of a process and of all its descendants."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += each.memory_info().rss
    return total


@dataclass
class MemoryPeak:
    """What was measured."""

    before: int
    peak: int

    @property
    def growth(self) -> int:
        return self.peak - self.before


@contextmanager
def measured_memory(pid: int) -> Iterator[MemoryPeak]:
    """Sample the memory of a program and its children while the block runs."""
    before = tree_memory(pid)
    measured = MemoryPeak(before, before)
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(_POLL_SECONDS):
            measured.peak = max(measured.peak, tree_memory(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield measured
    finally:
        ended.set()
        thread.join()
