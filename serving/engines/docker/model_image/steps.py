"""The progress of work in several steps, as one figure."""

from __future__ import annotations

import re
from collections.abc import Callable

from serving.progress import Report

_STEP = re.compile(r"Step (?P<number>\d+)/(?P<count>\d+) : (?P<text>.*)")


class Steps:
    """Reports percent of all steps; each is worth as much as another."""

    def __init__(self, count: int, report: Report) -> None:
        self._count = count
        self._report = report
        self._before = 0

    def begin(self, text: str) -> Report:
        """Begin the next step, and return what reports how far it is."""
        number, done = self._before + 1, 100 * self._before
        self._before = number
        self._report(done, 100 * self._count, f"Step {number} of {self._count}: {text}")

        def report(part: int, total: int, detail: str) -> None:
            share = min(99, 100 * part // total) if total else 0
            words = f"{text}: {detail}" if detail else text
            self._report(
                done + share, 100 * self._count, f"Step {number} of {self._count}: {words}"
            )

        return report

    def end(self) -> None:
        """Report that all is done."""
        self._report(100 * self._count, 100 * self._count, "Done.")


class BuildProgress:
    """How far a build is: bytes while they are sent, then the engine's own steps."""

    def __init__(self, report: Report, on_line: Callable[[str], None]) -> None:
        self._report = report
        self._on_line = on_line
        self._builds = False

    def on_sent(self, done: int, total: int, text: str) -> None:
        if not self._builds:
            self._report(0, 100, text)

    def on_line(self, line: str) -> None:
        self._on_line(line)
        found = _STEP.match(line)
        if found is not None:
            self._builds = True
            number, count = int(found["number"]), int(found["count"])
            self._report(number - 1, count, f"{number} of {count}, {found['text'][:80]}")
