"""How often a fleet is observed: often while something happens or somebody looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.engines.protocol import ANSWERING_STATES
from serving.fleet.view import FleetView

IDLE_SECONDS = 5.0
"""Between two observations while nothing happens and nobody watches: the end of an instance and a
change of the record are notified in any case."""
POLL_SECONDS = 1.0
"""Between two observations while requests come, or something is wrong."""
WATCHED_POLL_SECONDS = 2.0
"""Between two observations while somebody watches, and nothing happens."""
BUSY_POLL_SECONDS = 0.2
"""Between two observations while something is changing."""
PROBE_SECONDS = 30.0
"""Between two questions to idle instances whether they answer: each keeps the threads of gRPC awake
for ten seconds, here and there. One that hangs is found as soon as it matters: a request that it
leaves open makes it asked at once."""
MEASURE_SECONDS = 30.0
"""Between two measurements of what idle instances use while nobody looks."""


class Pace:
    """Decides when a fleet is observed next, and whether its instances are measured then.

    They are measured while somebody looks. With `keeps_metrics` they also are while requests come,
    and now and then otherwise.
    """

    def __init__(self, *, keeps_metrics: bool, monotonic: Callable[[], float]) -> None:
        self._keeps_metrics = keeps_metrics
        self._monotonic = monotonic
        self._watchers = 0
        self._measured_at = self._probed_at = -math.inf
        self._requests = 0
        self._is_used = False

    @contextmanager
    def observe_often(self) -> Iterator[None]:
        """Observe often during the block."""
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    def begin(self, requests: int, view: FleetView) -> bool:
        """Say whether the next observation measures; `requests` were sent so far.

        `view` is the one before.
        """
        self._is_used = requests != self._requests or any(
            each.requests_per_second > 0 for each in view.instances
        )
        self._requests = requests
        now = self._monotonic()
        if self._watchers or (
            self._keeps_metrics and (self._is_used or now - self._measured_at >= MEASURE_SECONDS)
        ):
            self._measured_at = now
            return True
        return False

    def should_probe(self, pause: float, *, notified: bool) -> bool:
        """Say whether the next observation asks instances that answered before.

        It comes after `pause` seconds, or because it was `notified` of something.
        """
        now = self._monotonic()
        if not notified and pause > POLL_SECONDS and now - self._probed_at < PROBE_SECONDS:
            return False
        self._probed_at = now
        return True

    def pause(self, view: FleetView, *, settled: bool) -> float:
        """Return how many seconds to wait for something to happen before the next observation."""
        if not settled:
            return BUSY_POLL_SECONDS
        if self._is_used or not _is_calm(view):
            return POLL_SECONDS
        return WATCHED_POLL_SECONDS if self._watchers else IDLE_SECONDS


def _is_calm(view: FleetView) -> bool:
    """Whether nothing is wrong that a later observation could find to be over."""
    return (
        len(view.instances) == view.desired_count
        and not view.faults
        and all(
            each.state in ANSWERING_STATES and not each.instance.failure and not each.load_errors
            for each in view.instances
        )
    )
