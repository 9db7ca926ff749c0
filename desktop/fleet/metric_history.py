"""The metrics of each instance within the last hour, for sparklines and charts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from operator import attrgetter

from desktop.formats import duration, rate, size
from desktop.translation import tr, tr_number
from serving.fleet.pace import MEASURE_SECONDS
from serving.fleet.view import FleetView

UNKNOWN = "—"
"""Shown for a number that is not known (yet)."""

HISTORY_SECONDS = 3600.0
"""Seconds that are kept."""
SPARKLINE_SECONDS = 180.0
"""Seconds that the table draws."""
MAX_POINTS = 240
"""Of a chart, so that an hour is drawn as fast as a minute."""

_MIN_INTERVAL = 0.7
"""Seconds; of samples that are closer only the last is kept."""
_GAP = 1.5 * MEASURE_SECONDS
"""Seconds without a value that leave a gap in the line."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An instance at one moment; None for what was not known."""

    at: float
    """Monotonic seconds."""
    cpu_percent: float | None
    memory_bytes: int | None
    requests_per_second: float | None
    p95_milliseconds: float | None


@dataclass(frozen=True)
class Point:
    """A point of a chart."""

    at: float
    """Position in the window, from 0 (oldest) to 1 (now)."""
    value: float
    """In the unit of the metric."""
    joined: bool = True
    """Whether the time since the previous point is known too."""


class Metric(Enum):
    """What can be drawn over time."""

    title: str
    min_scale: float
    """The top of the scale, unless a value is higher."""
    text: Callable[[float], str]
    of: Callable[[Sample], float | None]

    CPU = (
        tr("CPU"),
        25.0,
        lambda value: tr("{value}%", value=f"{value:.0f}"),
        attrgetter("cpu_percent"),
    )
    MEMORY = (
        tr("Memory"),
        1.0,
        size,
        attrgetter("memory_bytes"),
    )
    REQUESTS = (tr("Requests/s"), 5.0, rate, attrgetter("requests_per_second"))
    P95 = (tr("p95"), 20.0, lambda value: milliseconds(value), attrgetter("p95_milliseconds"))

    def __init__(
        self,
        title: str,
        min_scale: float,
        text: Callable[[float], str],
        of: Callable[[Sample], float | None],
    ) -> None:
        self.title, self.min_scale, self.text, self.of = title, min_scale, text, of


class MetricHistory:
    """The samples of the last hour of each instance that exists."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[Sample]] = {}
        self._now = 0.0

    def add(self, view: FleetView, now: float) -> None:
        """Add a sample of each instance; those that are no longer in `view` are forgotten."""
        self._now = now
        present = {each.instance.id for each in view.instances_and_attached}
        for gone in self._samples.keys() - present:
            del self._samples[gone]
        for each in view.instances_and_attached:
            samples = self._samples.setdefault(each.instance.id, deque())
            # Measured from the last but one: from the last, a burst of views would go on
            # replacing it and leave a gap.
            if len(samples) > 1 and now - samples[-2].at < _MIN_INTERVAL:
                samples.pop()
            samples.append(
                Sample(
                    now,
                    each.stats.cpu_percent if each.stats else None,
                    each.stats.memory_bytes if each.stats else None,
                    each.requests_per_second if each.version is not None else None,
                    each.p95_milliseconds,
                )
            )
            while now - samples[0].at > HISTORY_SECONDS:
                samples.popleft()

    def points(
        self, instance_id: str, metric: Metric, window: float = SPARKLINE_SECONDS
    ) -> list[Point]:
        """Return what is known of one metric in the last `window` seconds, oldest first.

        If there are more samples than a chart can show, a point is the highest of
        several, so that no peak is lost.
        """
        stretch = window / MAX_POINTS
        crowded = stretch > 1
        points: list[Point] = []
        last = before = -1.0
        for sample in self._samples.get(instance_id, ()):
            value = metric.of(sample)
            if value is None or self._now - sample.at > window:
                continue
            number = sample.at // stretch
            if crowded and points and number == before:
                value = max(value, points[-1].value)
                points[-1] = replace(points[-1], value=value)
            else:
                joined = sample.at - last < max(_GAP, 2 * stretch)
                at = 1 - (self._now - sample.at) / window
                points.append(Point(at, value, joined))
            last, before = sample.at, number
        return points


def milliseconds(value: float) -> str:
    """Return `8.4 ms`, `120 ms` or `1.2 s`."""
    if value >= 999.5:
        return tr_number(f"{value / 1000:.1f} s")
    return tr_number(f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms")


def describe(metric: Metric, points: list[Point], window: float = SPARKLINE_SECONDS) -> str:
    """Return the facts of a chart as text: the latest value, and the range."""
    if not points:
        return tr("{title}: not known yet", title=metric.title)
    values = [point.value for point in points]
    span = duration((points[-1].at - points[0].at) * window)
    now, low, high = (metric.text(value) for value in (values[-1], min(values), max(values)))
    if low == high:
        return tr(
            "{title}: {value} throughout the last {time}", title=metric.title, value=now, time=span
        )
    return tr(
        "{title}: {value}, between {low} and {high} in the last {time}",
        title=metric.title,
        value=now,
        low=low,
        high=high,
        time=span,
    )
