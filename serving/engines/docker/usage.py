"""What containers use, computed as `docker stats` does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serving.engines.protocol import InstanceStats

MIN_INTERVAL_SECONDS = 0.8
"""Seconds; a reading that follows sooner repeats the last result."""


@dataclass(frozen=True)
class Reading:
    """One answer of the engine, in its own counters."""

    processor: int
    """Nanoseconds that the container computed since its start."""
    system: int
    """Nanoseconds that all cores passed, idle or not; 0 where the engine does not say."""
    cores: int
    memory: int
    """Bytes, without what is merely cached from files."""
    read: float
    """Seconds since the epoch, by the engine's clock."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Reading | None:
        """Read an answer; None where the container has nothing to count."""
        processor = answer.get("cpu_stats") or {}
        usage = processor.get("cpu_usage") or {}
        memory = answer.get("memory_stats") or {}
        if not usage.get("total_usage") or "usage" not in memory:
            return None
        cached = memory.get("stats") or {}
        inactive = cached.get("total_inactive_file", cached.get("inactive_file", 0))
        used = int(memory["usage"])
        return cls(
            processor=int(usage["total_usage"]),
            system=int(processor.get("system_cpu_usage") or 0),
            cores=int(processor.get("online_cpus") or len(usage.get("percpu_usage") or ()) or 1),
            memory=used - int(inactive) if inactive < used else used,
            read=parse_timestamp(str(answer.get("read", ""))),
        )

    def percent_since(self, before: Reading) -> float:
        """Return the processor use since an earlier reading, 100 for one whole core."""
        used = self.processor - before.processor
        passed = self.system - before.system
        if used < 0:
            return 0.0
        if self.system and passed > 0:
            return 100 * used / passed * self.cores
        span = self.read - before.read
        return used / span / 1e7 if span > 0 else 0.0


class ContainerUsage:
    """Remembers the last reading of each container, so that the next has a span to cover."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, Reading, InstanceStats]] = {}

    def recent(self, container: str) -> InstanceStats | None:
        """Return the last result where it is too fresh to ask the engine again."""
        last = self._last.get(container)
        if last is None or time.monotonic() - last[0] >= MIN_INTERVAL_SECONDS:
            return None
        return last[2]

    def add(
        self, container: str, answer: Mapping[str, Any], started: float
    ) -> InstanceStats | None:
        """Return the use since the last reading, or since `started` (seconds since the epoch)."""
        now = Reading.of(answer)
        if now is None:
            self._last.pop(container, None)
            return None
        last = self._last.get(container)
        before = last[1] if last is not None else Reading(0, 0, now.cores, 0, started)
        if last is None or now.processor < before.processor:
            span = max(0.2, now.read - started)
            percent = now.processor / span / 1e7
        else:
            percent = now.percent_since(before)
        stats = InstanceStats(cpu_percent=percent, memory_bytes=now.memory)
        self._last[container] = (time.monotonic(), now, stats)
        return stats

    def keep_only(self, containers: set[str]) -> None:
        """Forget every other container."""
        for container in self._last.keys() - containers:
            self._last.pop(container, None)


def parse_timestamp(stamp: str) -> float:
    """Return an engine's time stamp as seconds since the epoch; 0 where it says none."""
    whole, dot, rest = stamp.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if dot else ""
    text = f"{whole}{dot}{digits[:6]}{zone}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return moment.timestamp() if moment.year > 1 else 0.0
