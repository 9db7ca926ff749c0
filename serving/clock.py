"""What time it is, and which moments that were written down can be believed.

Inside a program, durations are measured with `time.monotonic`, which nobody can set. A moment that
must survive the program is stored as wall time, which jumps when somebody or something sets the
clock, and which another machine reads from a clock of its own. So no timer may wait for a stored
moment: it counts only as far as it lies in the past, and is not older than what it is needed for.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from typing import Any


def utc_now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds: `2026-01-31T09:15:00.123Z`."""
    return utc_text(datetime.now(UTC))


def utc_text(when: datetime) -> str:
    """Return a moment that knows its time zone as `utc_now` writes it: as text they are in order.

    Raises OverflowError for one at the end of the calendar.
    """
    text = when.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def epoch_seconds(raw: Any) -> float:
    """Return what a file holds as seconds since the epoch; 0 if it is no such number."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return 0.0
    try:
        seconds = float(raw)
    except OverflowError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def age(stored: float, now: float, within: float) -> float | None:
    """Return how many seconds ago a stored moment was, both in seconds since the epoch.

    None if that cannot be believed: it is in the future, or `within` seconds or more ago.
    """
    seconds = now - stored
    return seconds if 0 <= seconds < within else None  # also not for NaN


def recent(stored: Iterable[float], now: float, within: float) -> tuple[float, ...]:
    """Return those stored moments that can be believed and are less than `within` seconds ago."""
    return tuple(each for each in stored if age(each, now, within) is not None)


class Sightings:
    """For how long a program has seen each of several things, by a clock that nobody sets.

    What other programs wrote carries their wall time. How long it has been there without
    a change is better measured here.
    """

    def __init__(self) -> None:
        self._first: dict[Hashable, float] = {}

    def seconds(self, key: Hashable, now: float) -> float:
        """Return how long ago `key` was seen first, in seconds; `now` is monotonic."""
        return now - self._first.setdefault(key, now)

    def keep_only(self, keys: Iterable[Hashable]) -> None:
        """Forget all others."""
        kept = set(keys)
        for key in self._first.keys() - kept:
            del self._first[key]
