"""How long the event loop of a window is held up: a distribution, and where it was the worst."""

from __future__ import annotations

import faulthandler
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from PySide6.QtCore import Qt, QTimer

INTERVAL_SECONDS = 0.005
STALL_SECONDS = 0.05
"""From here on a person may see that nothing moves."""
_POLL_SECONDS = 0.01
_SHARES = (0.5, 0.9, 0.99, 0.999)
_STACK_LINES = 12


@dataclass
class Gap:
    """The time between two beats, without the interval that is meant to be between them."""

    seconds: float
    computed: float
    """Processor seconds of the thread in it, which other programs do not change."""
    stacks: Counter[str] = field(default_factory=Counter)
    """Where the thread was meanwhile, and how often it was seen there."""


class Heartbeat:
    """Beats on the event loop of the thread that makes it, and watches from another one."""

    def __init__(self) -> None:
        self._gaps: dict[str, list[Gap]] = {"": []}
        """By what was going on, see `begin`."""
        self._now = self._gaps[""]
        self._thread = threading.get_ident()
        self._last, self._last_computed = time.perf_counter(), time.thread_time()
        self._stacks: Counter[str] = Counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(round(1000 * INTERVAL_SECONDS))
        self._timer.timeout.connect(self._beat)
        self._timer.start()
        threading.Thread(target=self._watch, daemon=True, name="heartbeat").start()

    def begin(self, name: str) -> None:
        """Count what comes now under this name; under an empty one it is not printed."""
        self._beat()
        self._now = self._gaps.setdefault(name, [])

    def stop(self) -> None:
        self._timer.stop()

    def print(self, worst: int) -> None:
        """Print the distribution for each name, and the stacks of the `worst` gaps."""
        shares = "".join(f"{100 * share:>8g}%" for share in _SHARES)
        print(f"{'event loop held up, ms':32} {'beats':>7}{shares}{'longest':>9}{'> 50 ms':>9}")
        named = [(name, gaps) for name, gaps in self._gaps.items() if name and gaps]
        for name, gaps in named:
            print(_line(name, [gap.seconds for gap in gaps]))
            print(_line("  of it the thread computed", [gap.computed for gap in gaps]))
        every = [(gap, name) for name, gaps in named for gap in gaps if gap.stacks]
        every.sort(key=lambda each: each[0].computed, reverse=True)
        for gap, name in every[:worst]:
            held, computed = 1000 * gap.seconds, 1000 * gap.computed
            print(f"\n{name}: {held:.0f} ms, of which it computed {computed:.0f}, in")
            for stack, seen in gap.stacks.most_common(2):
                print(f"  seen {seen} times:\n{stack}")
        print(flush=True)

    def _beat(self) -> None:
        now, computed = time.perf_counter(), time.thread_time()
        seconds = max(0.0, now - self._last - INTERVAL_SECONDS)
        stacks, self._stacks = self._stacks, Counter()
        self._now.append(Gap(seconds, computed - self._last_computed, stacks))
        self._last, self._last_computed = now, computed

    def _watch(self) -> None:
        with tempfile.TemporaryFile("w+") as file:
            while True:
                time.sleep(_POLL_SECONDS)
                if time.perf_counter() - self._last > STALL_SECONDS / 2:
                    file.seek(0)
                    file.truncate()
                    # Not by its frames: to hold one of them keeps a QPainter alive for too long.
                    faulthandler.dump_traceback(file)
                    file.seek(0)
                    self._stacks[_stack_of(file.read(), self._thread)] += 1


def _stack_of(dump: str, thread: int) -> str:
    """Return the innermost calls of a thread in what faulthandler wrote of all of them."""
    _, _, rest = dump.partition(f"0x{thread:016x}")
    lines = rest.split("\n\n")[0].splitlines()
    return "\n".join(lines[1 : 1 + _STACK_LINES])


def _line(name: str, seconds: list[float]) -> str:
    ordered = sorted(seconds)
    values = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in _SHARES]
    cells = "".join(f"{1000 * value:9.1f}" for value in (*values, ordered[-1]))
    stalls = sum(each > STALL_SECONDS for each in ordered)
    return f"{name:32} {len(ordered):7,}{cells}{stalls:9,}"
