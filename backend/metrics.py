"""What the service counts and measures, in Prometheus's form."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.contract import TrainingRun
from backend.events import EventBroker
from backend.photos.budget import PhotoBudget
from backend.photos.request_queue import RequestQueue
from serving.fleet.view import FleetView

METRICS_PATH = "/metrics"
_SECONDS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_NO_ROUTE = "none"
"""In place of the route of requests that were refused before one was looked for, or had none."""


@dataclass(frozen=True)
class Counts:
    """What is looked up in the database for each scrape."""

    labels: dict[str, int]
    """Photos that are labelled, by the model."""
    runs: Iterable[TrainingRun]


class ServiceMetrics:
    """All metrics of one service, in a registry of their own."""

    def __init__(
        self,
        queue: RequestQueue,
        budget: PhotoBudget,
        broker: EventBroker,
        view: Callable[[], FleetView],
    ) -> None:
        self._queue, self._budget, self._broker, self._view = queue, budget, broker, view
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "servery_http_requests_total",
            "Answered requests.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "servery_http_request_seconds",
            "From the head of a request to the end of its answer; event streams left out.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._in_flight = self._gauge("servery_http_requests_in_flight", "Not answered yet.")
        self._queued = self._gauge(
            "servery_photo_queue_requests",
            "Places of requests with photos that are not answered yet.",
        )
        self._queue_limit = self._gauge(
            "servery_photo_queue_limit", "As many of them are taken; more are answered 429."
        )
        self._memory = self._gauge(
            "servery_photo_memory_bytes", "Memory that photos in flight hold of their budget."
        )
        self._listeners = self._gauge("servery_event_listeners", "Open event streams.")
        self._instances = self._gauge("servery_instances_desired", "Instances there should be.")
        self._ready = self._gauge(
            "servery_instances_ready", "Instances and attached servers that answer."
        )
        self._live = self._gauge(
            "servery_live_version", "The version that answers for a served model.", ("model",)
        )
        self._labels = self._gauge("servery_labels", "Photos that are labelled.", ("model",))
        self._runs = self._gauge(
            "servery_training_runs", "Training runs, by how they ended.", ("model", "state")
        )
        self._by_request: dict[tuple[str, str, int], Counter] = {}
        self._by_route: dict[str, Histogram] = {}

    def text(self, counts: Counts) -> bytes:
        """Return everything as it is now, as Prometheus reads it."""
        self._queued.set(self._queue.length)
        self._queue_limit.set(self._queue.limit)
        self._memory.set(self._budget.used)
        self._listeners.set(self._broker.listeners)
        view = self._view()
        self._instances.set(view.desired_count)
        self._ready.set(view.can_answer)
        # What is gone since the last time is not there any more.
        for gauge in (self._live, self._labels, self._runs):
            gauge.clear()
        for model in view.served.names():
            version = view.version_of(model)
            if version is not None:
                self._live.labels(model).set(version)
        for model, labels in counts.labels.items():
            self._labels.labels(model).set(labels)
        runs = Tally((run.model, run.state.value) for run in counts.runs)
        for (model, state), number in runs.items():
            self._runs.labels(model, state).set(number)
        return generate_latest(self._registry)

    def began(self) -> None:
        self._in_flight.inc()

    def ended(self, scope: Scope, status: int, seconds: float | None) -> None:
        """Count a request; `seconds` is None for a stream, which takes any time."""
        self._in_flight.dec()
        route = getattr(scope.get("route"), "path", _NO_ROUTE)
        key = (scope["method"], route, status)
        counter = self._by_request.get(key)
        if counter is None:
            # Methods are whatever callers make up, each of which would be kept for ever.
            method = key[0] if route != _NO_ROUTE else "any"
            counter = self._requests.labels(method, route, str(status))
            if route != _NO_ROUTE:
                self._by_request[key] = counter
        counter.inc()
        if seconds is None:
            return
        histogram = self._by_route.get(route)
        if histogram is None:
            histogram = self._by_route[route] = self._seconds.labels(route)
        histogram.observe(seconds)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)


class MeasuredRequests:
    """Middleware that counts requests and measures how long they take."""

    def __init__(
        self, app: ASGIApp, metrics: ServiceMetrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app, self._metrics, self._clock = app, metrics, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, is_stream, started = 499, False, self._clock()  # 499: the caller has left

        async def send_noticed(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = any(b"event-stream" in value for _, value in message["headers"])
            await send(message)

        self._metrics.began()
        try:
            await self._app(scope, receive, send_noticed)
        finally:
            self._metrics.ended(scope, status, None if is_stream else self._clock() - started)
