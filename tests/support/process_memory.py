"""How much memory a program and its children take, sampled while a block runs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.conftest import ROOT

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


def measure(program: str, *arguments: Path) -> list[int]:
    """Run Python code in a process of its own; returns the whole numbers that it prints."""
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in ended.stdout.split()]
