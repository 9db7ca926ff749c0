"""CPU and memory use of containers, computed as `docker stats` does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from docker import APIClient
from docker.utils import version_gte

from serving.engines.protocol import InstanceStats

MIN_INTERVAL_SECONDS = 0.8
"""A reading that follows sooner repeats the last result."""


@dataclass(frozen=True)
class Reading:
    """One answer of the engine, in its own counters."""

    processor: int
    """CPU nanoseconds of the container since its start."""
    system: int
    """Nanoseconds of all cores, idle or not; 0 if the engine does not report it."""
    cores: int
    memory: int
    """Bytes, without what is merely cached from files."""
    read: float
    """Seconds since the epoch, by the engine's clock."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Reading | None:
        """Read an answer; None if the container does not run."""
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
        """Return the CPU use since an earlier reading, 100 for one whole core."""
        used = self.processor - before.processor
        passed = self.system - before.system
        if self.system and passed > 0:
            return 100 * used / passed * self.cores
        span = self.read - before.read
        return used / span / 1e7 if span > 0 else 0.0


class ContainerUsage:
    """Keeps the last reading of each container, to measure from it to the next."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, Reading, InstanceStats]] = {}

    def recent(self, container: str) -> InstanceStats | None:
        """Return the last result if it is too recent to ask the engine again."""
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
        if last is None or now.processor < last[1].processor:  # its counter begins at each start
            percent = now.processor / max(0.2, now.read - started) / 1e7
        else:
            percent = now.percent_since(last[1])
        stats = InstanceStats(cpu_percent=percent, memory_bytes=now.memory)
        self._last[container] = (time.monotonic(), now, stats)
        return stats

    def keep_only(self, containers: set[str]) -> None:
        """Remove every other container."""
        for container in self._last.keys() - containers:
            self._last.pop(container, None)


def parse_timestamp(stamp: str) -> float:
    """Return an engine's time stamp as seconds since the epoch; 0 if it is not one."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return 0.0
    # Year 1 is Go's zero time: it never happened.
    return moment.timestamp() if moment.year > 1 else 0.0


def read_statistics(client: APIClient, container: str) -> Any:
    """Return one reading of the engine; before API 1.41 that takes a second."""
    options = {"one_shot": True} if version_gte(client.api_version, "1.41") else {}
    try:
        return client.stats(container, stream=False, **options)
    except ValueError:  # an empty answer: the container exited meanwhile
        return {}
