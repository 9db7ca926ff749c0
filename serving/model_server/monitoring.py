"""Counts requests and their latency for Prometheus."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from serving.model_server.sleep import CallWatch
from serving.tf.status import Code, ServingError

DEFAULT_PATH = "/monitoring/prometheus/metrics"

_BOUNDS = tuple(10 * 1.8**power for power in range(33))
"""Upper bounds of the latency buckets in microseconds, the original's."""

_MAX_SERIES = 10_000
"""Callers can make up model names; series beyond this many are not counted."""

_MAX_NAME = 200
"""Characters of a model's name that are kept; nobody serves a model with a longer one."""

_REQUEST_COUNT = ":tensorflow:serving:request_count"
_REQUEST_LATENCY = ":tensorflow:serving:request_latency"


@dataclass
class _Histogram:
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))
    total: float = 0.0

    def add(self, value: float) -> None:
        self.buckets[bisect.bisect_left(_BOUNDS, value)] += 1
        self.total += value


class Metrics:
    """The requests of the server so far, by model."""

    def __init__(self) -> None:
        self.activity = CallWatch()
        self._counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._latencies: defaultdict[tuple[str, str, str], _Histogram] = defaultdict(_Histogram)

    @contextmanager
    def request(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Count the request that the block answers, and its latency if it succeeds."""
        start = perf_counter()
        with self.failures(model), self.activity.call():
            yield
        self._count(model, Code.OK)
        microseconds = (perf_counter() - start) * 1_000_000
        self._latencies[model, api, entrypoint].add(microseconds)

    @contextmanager
    def failures(self, model: str) -> Iterator[None]:
        """Count a request if it fails in the block, such as one that is refused before it is read.

        `model` is empty as long as nobody knows which model the request is for.
        """
        try:
            yield
        except ServingError as error:
            self._count(model, error.code)
            raise
        except BaseException:
            self._count(model, Code.CANCELLED)
            raise

    def _count(self, model: str, code: Code) -> None:
        key = model[:_MAX_NAME], code.name
        if key in self._counts or len(self._counts) < _MAX_SERIES:
            self._counts[key] += 1

    def prometheus_text(self) -> str:
        """Return everything in Prometheus' text format."""
        lines: list[str] = []
        if self._latencies:
            lines.append(f"# TYPE {_REQUEST_LATENCY} histogram")
        for (model, api, entrypoint), histogram in sorted(self._latencies.items()):
            labels = _labels({"model_name": model, "API": api, "entrypoint": entrypoint})
            passed = 0
            for bound, count in zip((*_BOUNDS, None), histogram.buckets, strict=True):
                passed += count
                limit = "+Inf" if bound is None else f"{bound:g}"
                lines.append(f'{_REQUEST_LATENCY}_bucket{{{labels},le="{limit}"}} {passed}')
            lines.append(f"{_REQUEST_LATENCY}_sum{{{labels}}} {histogram.total:g}")
            lines.append(f"{_REQUEST_LATENCY}_count{{{labels}}} {passed}")
        if self._counts:
            lines.append(f"# TYPE {_REQUEST_COUNT} counter")
        for (model, status), count in sorted(self._counts.items()):
            labels = _labels({"model_name": model, "status": status})
            lines.append(f"{_REQUEST_COUNT}{{{labels}}} {count}")
        return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
