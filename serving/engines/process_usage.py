"""Processor and memory use of processes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psutil

from serving.engines.protocol import InstanceStats
from serving.process_identity import process_age

MIN_INTERVAL_SECONDS = 0.2
"""Seconds; over less, the processor's own clock is too coarse to divide by."""


@dataclass
class _Reading:
    process: int
    at: float
    processor_seconds: float
    cpu_percent: float


class ProcessUsage:
    """Remembers the last reading of each instance, so that the next covers the time since."""

    def __init__(self) -> None:
        self._readings: dict[str, _Reading] = {}

    def read(self, instance_id: str, process: psutil.Process) -> InstanceStats | None:
        """Return the mean processor use since the last reading, or since the start.

        None if the process is gone.
        """
        try:
            with process.oneshot():
                times = process.cpu_times()
                memory = _private_bytes(process.memory_info())
                age = max(MIN_INTERVAL_SECONDS, process_age(process.pid) or 0.0)
        except psutil.Error:
            self.forget(instance_id)
            return None
        now = time.monotonic()
        used = times.user + times.system
        last = self._readings.get(instance_id)
        if last is None or last.process != process.pid:
            percent = 100 * used / age
        elif now - last.at < MIN_INTERVAL_SECONDS:
            return InstanceStats(last.cpu_percent, memory)
        else:
            percent = 100 * (used - last.processor_seconds) / (now - last.at)
        self._readings[instance_id] = _Reading(process.pid, now, used, percent)
        return InstanceStats(percent, memory)

    def forget(self, instance_id: str) -> None:
        self._readings.pop(instance_id, None)


def _private_bytes(memory: Any) -> int:
    """Return the bytes that only this process uses, as engines count for containers.

    The code of TensorFlow, some 370 MB, is mapped once for all instances, and
    the system drops it when memory is short.
    """
    return int(memory.rss - getattr(memory, "shared", 0))
